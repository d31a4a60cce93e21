import {
  INSERTION_POINTS,
  insertionLines,
  type SectionLines,
} from '../haproxy/insertion-points.ts';
import { Outline } from '../haproxy/outline.ts';
import type { Section } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import { indentOf } from '../haproxy/words.ts';
import type { Edit } from './edits.ts';

/** Edits as they come together. Statements have lines from 1, edits from 0. */
export class Draft {
  readonly edits: Edit[] = [];
  private readonly outlines: ReadonlyMap<string, Outline>;
  private readonly names: Set<string>;

  constructor(texts: ReadonlyMap<string, string>, sections: readonly Section[]) {
    this.outlines = new Map([...texts].map(([file, text]) => [file, new Outline(text)]));
    this.names = new Set(sections.map(({ name }) => name));
  }

  /** A name that no section has. */
  unused(name: string): string {
    let found = name;
    for (let count = 2; this.names.has(found); count += 1) found = `${name}-${count}`;
    this.names.add(found);
    return found;
  }

  /** Lines into a section; those that would stand side by side are one block. */
  into(head: Statement, own: readonly Statement[], lines: SectionLines): void {
    const outline = this.outlineOf(head);
    const places = insertionLines(outline, head.line - 1, own);
    const byLine = new Map<number, string[]>();
    for (const place of INSERTION_POINTS) {
      const there = byLine.get(places[place]) ?? [];
      byLine.set(places[place], [...there, ...(lines[place] ?? [])]);
    }
    const indent = outline.indentIn(head.line - 1);
    for (const [line, all] of byLine) this.block(head.file, line, indent, '', all);
  }

  /** Behind the end of a section, what is indented as its own lines are starting with a blank. */
  behind(head: Statement, note: string, lines: readonly string[]): void {
    const outline = this.outlineOf(head);
    const indent = outline.indentIn(head.line - 1);
    const all = lines.map((line) => line.replace(/^ /, indent));
    this.block(head.file, outline.endOf(head.line - 1), '', note, all);
  }

  /** A line behind a rule of the user's. */
  beside(rule: Statement, textOf: (source: string) => string): void {
    this.alone(rule, rule.line, textOf);
  }

  /** A line in front of a rule of the user's. */
  ahead(rule: Statement, text: string): void {
    this.alone(rule, rule.line - 1, () => text);
  }

  private alone(rule: Statement, line: number, textOf: (source: string) => string): void {
    const { file } = rule;
    const source = this.outlineOf(rule).lines[rule.line - 1] ?? '';
    const edit = { file, line, indent: indentOf(source), text: textOf(source) };
    const isThere = this.edits.some(
      (each) =>
        each.kind === 'line' && each.file === file && each.line === line && each.text === edit.text,
    );
    if (!isThere) this.edits.push({ kind: 'line', ...edit });
  }

  head({ file, line }: Statement, kind: 'name' | 'inherit', defaults: string): void {
    this.edits.push({ kind, file, line: line - 1, defaults });
  }

  /** One line alone has no block around it. */
  block(file: string, line: number, indent: string, note: string, lines: readonly string[]): void {
    const [only, ...more] = lines;
    if (only === undefined) return;
    if (more.length === 0) this.edits.push({ kind: 'line', file, line, indent, text: only });
    else this.edits.push({ kind: 'block', file, line, indent, note, lines });
  }

  isConditional(head: Statement): boolean {
    return this.outlineOf(head).isConditional(head.line - 1);
  }

  endOf(head: Statement): number {
    return this.outlineOf(head).endOf(head.line - 1);
  }

  private outlineOf({ file }: { readonly file: string }): Outline {
    const outline = this.outlines.get(file);
    if (outline === undefined) throw new Error(`${file} was not read`);
    return outline;
  }
}
