// How one service calls another: a typed function for each request of a table, with the secret, a deadline and a
// schema for the answer.
import { ErrorBody, LecternError } from '#shared/contract/errors.ts';
import type { Client, Endpoint, Endpoints, PathParams } from '#shared/contract/internal-api.ts';

/**
 * The addresses at which the service answers for what a path names, the first to be tried first. This is where a
 * directory can say where a room or a channel lives; none is named where a request is about all of them.
 */
export type AddressesOf = (named: PathParams) => readonly string[];

/** All that there is can be had at each address of a setting such as LECTERN_SFU_URL. */
export function atAny(addresses: readonly string[]): AddressesOf {
  return () => addresses;
}

/** A request of any shape; {@link Client} says which belongs to which name. */
interface AnyRequest {
  readonly params?: PathParams & Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

/** No answer, or none that makes sense: another address may do better. */
class NoAnswer extends LecternError {
  constructor(url: string, why: string) {
    super('service-unavailable', `${new URL(url).host} ${why}`);
  }
}

/**
 * Makes the client of a service. It stays with an address that answers; of those that did not, the one whose last
 * failure is the oldest is tried first. Its functions throw LecternError: the other side's own refusal, or
 * `service-unavailable` if no address answers within `timeoutMs`, or what the table says instead.
 */
export function internalClient<T extends Endpoints>(
  table: T,
  addressesOf: AddressesOf,
  secret: string,
  timeoutMs = 3_000,
): Client<T> {
  /** When an address last failed to answer, counted in failures. */
  const failedAt = new Map<string, number>();
  let failures = 0;

  async function call(endpoint: Endpoint, request: AnyRequest = {}): Promise<unknown> {
    const { params = {} } = request;
    const target = targetOf(endpoint, request);
    const signal = AbortSignal.timeout(endpoint.timeoutMs ?? timeoutMs);
    const inOrder = addressesOf(params).toSorted((a, b) => (failedAt.get(a) ?? 0) - (failedAt.get(b) ?? 0));
    let failure = new LecternError('service-unavailable');
    for (const address of inOrder) {
      try {
        const reply = await ask(endpoint, address + target, request.body, secret, signal);
        failedAt.delete(address);
        return reply;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        failures += 1;
        failedAt.set(address, failures);
        failure = error;
        if (signal.aborted) break;
      }
    }
    throw failure;
  }

  const client: Readonly<Record<string, (request?: AnyRequest) => Promise<unknown>>> = Object.fromEntries(
    Object.entries(table).map(([name, endpoint]) => [name, (request) => call(endpoint, request)]),
  );
  // What is sent and replied is checked by the schemas of the row of that name.
  return client as Client<T>;
}

function targetOf({ path }: Endpoint, { params = {}, query = {} }: AnyRequest): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? filled : `${filled}?${new URLSearchParams(given).toString()}`;
}

async function ask(
  { method, reply }: Endpoint,
  url: string,
  body: unknown,
  secret: string,
  signal: AbortSignal,
): Promise<unknown> {
  let status: number;
  let answer: unknown;
  try {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    status = response.status;
    const text = await response.text();
    answer = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new NoAnswer(url, `does not answer: ${String(error)}`);
  }
  if (status >= 400) {
    const refusal = ErrorBody.safeParse(answer);
    if (refusal.success) throw new LecternError(refusal.data.error.code, refusal.data.error.message);
    throw new NoAnswer(url, `answered ${status}`);
  }
  if (reply === undefined) return undefined;
  const result = reply.safeParse(answer);
  if (!result.success) throw new NoAnswer(url, 'answered nonsense');
  return result.data;
}
