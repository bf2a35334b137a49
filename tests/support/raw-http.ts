// HTTP as it is written: fetch() would tidy a path, or refuse a method, before it is sent.
import { request as ask, type IncomingHttpHeaders } from 'node:http';
import { ErrorBody } from '#shared/contract/errors.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends exactly this path and these headers; reads 4 kB of the answer at most. */
export function send(
  origin: string,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const request = ask({ hostname, port, path, method, headers }, (response) => {
      let body = '';
      response.setEncoding('latin1').on('data', (text: string) => {
        body += text;
        if (body.length > 4_096) response.destroy();
      });
      response.on('close', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

/** Path and query of an address, as they are written. */
export const pathOf = (address: string) => address.replace(/^\w+:\/\/[^/]+/, '');
/** The code of a refusal; throws if the answer is none. */
export const codeOf = ({ body }: Answer) => ErrorBody.parse(JSON.parse(body)).error.code;
