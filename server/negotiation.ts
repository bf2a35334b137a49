// What a client takes, in the one grammar of Accept and Accept-Encoding (RFC 9110 §12.4 and §12.5).

/**
 * True if `header` lets an answer be what `names` say, the most specific first (`application/sdp`,
 * `application/*`): the first of them that stands in it decides, and a weight of 0 says no.
 */
export function isTaken(header: string, names: readonly string[]): boolean {
  const weights = new Map<string, number>();
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    if (!weights.has(name)) weights.set(name, Number(weight));
  }
  const named = names.find((name) => weights.has(name));
  return named !== undefined && (weights.get(named) ?? 0) > 0;
}
