/**
 * The text of a value that was thrown: the message of an error, its code where it has no message, as Node's errors for
 * several addresses at once; other values as text.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}
