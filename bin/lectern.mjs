// The way in, for any Node from 20 on and with nothing installed yet: checks Node, brings the packages,
// then runs bin/<command>.ts on the Node that came with them. Plain JavaScript, so that even a Node that
// is too old can read it and say so.
const OLDEST = 20;
const COMMANDS = ['start', 'test', 'bench', 'fuzz', 'check', 'doctor', 'backup', 'restore', 'setup'];

const command = process.argv[2];
const major = Number(process.versions.node.split('.')[0]);

if (major < OLDEST) {
  console.error(
    `Lectern needs Node ${OLDEST} or newer; this is ${process.version}. Get one from https://nodejs.org.`,
  );
  process.exit(1);
} else if (COMMANDS.indexOf(command) === -1) {
  console.error(`Use one of: ${COMMANDS.map((name) => `lectern ${name}`).join(', ')}.`);
  process.exit(1);
} else {
  import('./setup/bootstrap.mjs').then(({ bootstrap }) => bootstrap(command, process.argv.slice(3)));
}
