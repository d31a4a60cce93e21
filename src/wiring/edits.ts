import { Outline } from '../haproxy/outline.ts';
import { block, inheriting, lineAlone, named } from './markers.ts';

/** One change to a file; lines count from 0 in the text as it is without any. */
export type Edit = {
  readonly file: string;
  /** The line that is changed, or in front of which others are put. */
  readonly line: number;
} & (
  | {
      readonly kind: 'block';
      readonly indent: string;
      /** Of its first line: what it is for. */
      readonly note: string;
      readonly lines: readonly string[];
    }
  | { readonly kind: 'line'; readonly indent: string; readonly text: string }
  | { readonly kind: 'name' | 'inherit'; readonly defaults: string }
);

/** The text with its edits; those of one line in their order. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const { newline } = new Outline(text);
  const sources = text.split('\n');
  const ending = newline.slice(0, -1);
  const out = sources.flatMap((source, index) => {
    const here = edits.filter(({ line }) => line === index);
    const added = here.flatMap(linesOf).map((line) => `${line}${ending}`);
    return [...added, here.reduce(changeHead, source)];
  });
  const behind = edits.filter(({ line }) => line >= sources.length).flatMap(linesOf);
  return [...out, ...behind.map((line) => `${line}${ending}`)].join('\n');
}

function linesOf(edit: Edit): string[] {
  if (edit.kind === 'block') return block(edit.indent, edit.note, edit.lines);
  return edit.kind === 'line' ? [lineAlone(edit.indent, edit.text)] : [];
}

function changeHead(source: string, edit: Edit): string {
  const line = source.replace(/\r$/, '');
  const end = source.slice(line.length);
  if (edit.kind === 'name') return `${named(line, edit.defaults)}${end}`;
  return edit.kind === 'inherit' ? `${inheriting(line, edit.defaults)}${end}` : source;
}
