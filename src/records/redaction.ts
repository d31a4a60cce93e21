/** Query parameters whose values the conventions want hidden. */
const SECRET_PARAMETER =
  /(^|&)(AWSAccessKeyId|Signature|X-Amz-Credential|X-Amz-Security-Token|X-Amz-Signature|X-Goog-Signature|sig)=[^&]*/;
const ALL_SECRETS = new RegExp(SECRET_PARAMETER, 'g');

/** A query as it may be shown: undefined where there is none. */
export function redactQuery(query: string | undefined): string | undefined {
  if (query === undefined || query === '') return undefined;
  return SECRET_PARAMETER.test(query) ? query.replace(ALL_SECRETS, '$1$2=REDACTED') : query;
}
