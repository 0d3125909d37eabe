/**
 * The colour of an id, the same on every page: the golden angle turns the hue from one id to the next, so that
 * neighbours in the vocabulary look different; lightness and chroma are even, so that none stands out and text is legible
 * on all of them (at least 4.5:1, which a test checks).
 *
 * Source: Ottosson 2020, "A perceptual color space for image processing" (OKLab; OKLCH is its polar form).
 */

const GOLDEN = 180 * (3 - Math.sqrt(5)); // degrees
/** Lightness, chroma of an area, and of a line or a small mark beside it. */
const LIGHT = { tint: [0.895, 0.068], edge: [0.6, 0.13] };
const DARK = { tint: [0.4, 0.078], edge: [0.74, 0.12] };

/** Degrees, 0 up to 360. @param {number} id */
export const hue = (id) => (((id * GOLDEN) % 360) + 360) % 360;

/** Linear sRGB, each 0 to 1 if the screen has the colour. */
function linear(lightness, chroma, degrees) {
  const [a, b] = [chroma * Math.cos((degrees * Math.PI) / 180), chroma * Math.sin((degrees * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

const encode = (x) => Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));

/** OKLCH as "#rrggbb"; chroma gives way where the screen has no such colour. */
function hex(lightness, chroma, degrees) {
  for (;;) {
    const colour = linear(lightness, chroma, degrees);
    if (chroma <= 0 || colour.every((x) => x >= 0 && x <= 1)) {
      return `#${colour.map((x) => encode(Math.min(1, Math.max(0, x))).toString(16).padStart(2, "0")).join("")}`;
    }
    chroma -= 0.002;
  }
}

/** 360 colours, made on first use. @type {Map<string, string[]>} */
const tables = new Map();

function colourOf(id, dark, kind) {
  const key = `${kind}${dark}`;
  if (!tables.has(key)) {
    const [lightness, chroma] = (dark ? DARK : LIGHT)[kind];
    tables.set(key, Array.from({ length: 360 }, (_, degrees) => hex(lightness, chroma, degrees)));
  }
  return tables.get(key)[Math.floor(hue(id))];
}

/** The area behind a token's text, which has the theme's text colour. @param {number} id @param {boolean} dark */
export const tint = (id, dark) => colourOf(id, dark, "tint");

/** The same hue for a line or a mark. @param {number} id @param {boolean} dark */
export const edge = (id, dark) => colourOf(id, dark, "edge");
