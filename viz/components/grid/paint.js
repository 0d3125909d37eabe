/** What the grid draws on its canvas. */
import { number } from "../kit/format.js";
import { corner } from "./layout.js";

/** Names of rows and columns, which stay in sight while the box scrolls. */
export function paintNames(grid, left, top) {
  const { pen, at, theme, data } = grid;
  const cols = data.cols ?? [];
  const rows = data.rows ?? [];
  pen.font = grid.font(400);
  pen.textBaseline = "middle";
  const widest = Math.max(0, ...cols.map((text) => pen.measureText(text).width));
  const every = Math.ceil((widest + 4) / at.stepX);
  pen.translate(left, 0);
  pen.fillStyle = theme.back;
  pen.fillRect(0, top, at.left - 4, grid.canvas.height);
  pen.fillStyle = theme.text;
  pen.textAlign = "right";
  rows.forEach((text, r) => pen.fillText(text, at.left - 8, at.top + r * at.stepY + at.cell / 2));
  pen.translate(-left, top);
  pen.fillStyle = theme.back;
  pen.fillRect(left, 0, grid.canvas.width, at.top - 3);
  pen.fillStyle = theme.text;
  pen.textAlign = "center";
  cols.forEach((text, c) => {
    const x = at.left + c * at.stepX + at.cell / 2;
    if (c % every === 0 && x - left > at.left - 4) pen.fillText(text, x, 10);
  });
}

/** One little matrix with its frame, cross, bar, title and number. */
export function paintOne(grid, i) {
  const { pen, at, theme, data, m } = grid;
  const { x, y } = corner(at, i);
  pen.imageSmoothingEnabled = (at.cell * grid.scale) / m < 2;
  pen.drawImage(grid.images, 0, i * m, m, m, x, y, at.cell, at.cell);
  if (grid.marked.includes(i)) cross(grid, x, y, at.cell);
  if (grid.selected.includes(i)) {
    pen.strokeStyle = getComputedStyle(grid.root.host).getPropertyValue("--st-primary-color") || theme.text;
    pen.lineWidth = 3;
    pen.strokeRect(x - 2.5, y - 2.5, at.cell + 5, at.cell + 5);
  }
  let line = y + at.cell + 3;
  if (data.scores) {
    pen.fillStyle = theme.dark ? "rgba(255,255,255,.14)" : "rgba(0,0,0,.1)";
    pen.fillRect(x, line, at.cell, 3);
    pen.fillStyle = theme.palette.key;
    pen.fillRect(x, line, at.cell * Math.max(0, Math.min(1, data.scores[i] / grid.best)), 3);
    line += 5;
  }
  pen.fillStyle = theme.text;
  pen.textBaseline = "top";
  pen.textAlign = "left";
  if (at.titled) {
    pen.font = grid.font(600);
    pen.fillText(data.titles[i], x, line);
    pen.font = grid.font(400);
    pen.textAlign = "right";
    if (at.scored) pen.fillText(number(data.scores[i], 2), x + at.cell, line);
  } else if (at.scored) {
    pen.font = grid.font(400);
    pen.fillText(number(data.scores[i], 2), x, line);
  }
}

/** A veil and a cross: still to be read, but out of the game. */
function cross({ pen, theme }, x, y, size) {
  pen.globalAlpha = 0.6;
  pen.fillStyle = theme.back;
  pen.fillRect(x, y, size, size);
  pen.globalAlpha = 1;
  pen.strokeStyle = theme.text;
  pen.lineWidth = 1.5;
  const [near, far] = [size * 0.12, size * 0.88];
  pen.beginPath();
  pen.moveTo(x + near, y + near);
  pen.lineTo(x + far, y + far);
  pen.moveTo(x + far, y + near);
  pen.lineTo(x + near, y + far);
  pen.stroke();
}
