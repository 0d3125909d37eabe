/**
 * Arrays as they travel from Python: base64 of little-endian bytes (see viz/view.py `pack`).
 *
 * @typedef {{shape: number[], dtype: "f2"|"f4"|"u1"|"i2"|"u2"|"i4"|"u4"|"b1", b64: string}} Packed
 * @typedef {{shape: number[], values: Float32Array|Uint8Array|Int16Array|Uint16Array|Int32Array|Uint32Array,
 *   exact: boolean}} Unpacked
 *   values in row-major order; exact: whole numbers, shown without decimals
 */

/** The float32 value of each of the 65536 float16 bit patterns, made on first use. @type {Float32Array|null} */
let halfTable = null;

/** IEEE 754 binary16: 1 sign bit, 5 exponent bits, 10 fraction bits. @param {number} bits */
function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @param {Uint16Array} halves */
function widen(halves) {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  const wide = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = halfTable[halves[i]];
  return wide;
}

/** @param {string} text */
function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Every browser that matters is little-endian, as the bytes are. */
const ARRAYS = {
  f4: Float32Array,
  u1: Uint8Array,
  b1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
};

/** @param {Packed} packed @returns {Unpacked} */
export function unpack(packed) {
  const bytes = bytesOf(packed.b64);
  const { shape, dtype } = packed;
  const values = dtype === "f2" ? widen(new Uint16Array(bytes.buffer)) : new ARRAYS[dtype](bytes.buffer);
  return { shape, values, exact: !dtype.startsWith("f") };
}
