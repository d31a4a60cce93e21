// Tables as Markdown has them, in columns for who reads them as they are.

/** @param rows arrays of cells, the head first; columns but the first are numbers */
export function markdownTable(rows) {
  const [head] = rows;
  const widths = head.map((_, i) => Math.max(3, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.slice(1).map(line)].join('\n');
}
