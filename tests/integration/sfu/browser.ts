// Chromium with the test's classroom page: one browser, a tab for each person.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import type { Role } from '#shared/domain/roles.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { launchChromium } from '../../support/chromium.ts';
import type { World } from './world.ts';

export interface Classrooms {
  /** Opens a tab, joins, and publishes. */
  enter(world: World, peer: string, role: Role, publish: Source[], options?: EnterOptions): Promise<Page>;
  /** Opens a tab that joins nothing. */
  page(): Promise<Page>;
  close(): Promise<void>;
}
/** What is different in the ticket, and whether the network blocks UDP. */
type EnterOptions = Partial<Ticket> & { blockUdp?: boolean };
type Source = 'camera' | 'microphone' | 'screen';

/** Bundles the page, serves it, and starts the browser. */
export async function openClassrooms(): Promise<Classrooms> {
  const script = await bundle();
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
    response.end(
      isScript ? script : '<!doctype html><title>class</title><script type="module" src="/page.js"></script>',
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  let browser: Browser | undefined;
  try {
    browser = await launchChromium();
  } catch (error) {
    server.close();
    throw error;
  }
  const running = browser;
  const open = async () => {
    const page = await (await running.newContext()).newPage();
    await page.goto(address);
    await page.waitForFunction(() => 'classroom' in window);
    return page;
  };
  return {
    page: open,
    async enter(world, peer, role, publish, { blockUdp = false, ...changes } = {}) {
      const page = await open();
      if (blockUdp) await page.evaluate(() => void (window.classroom.protocols = ['tcp']));
      const ticket = await world.ticket(peer, role, changes);
      await page.evaluate(([url, jwt]) => window.classroom.enter(url, jwt), [world.url, ticket] as const);
      for (const source of publish) await page.evaluate((one) => window.classroom.publish(one), source);
      return page;
    },
    async close() {
      await running.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    root: import.meta.dirname,
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, 'page.ts'), formats: ['es'], fileName: 'page' },
    },
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('no bundle');
  return output.output[0].code;
}
