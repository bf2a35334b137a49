// A service that cannot start.
console.error('the database is on fire');
process.exit(3);
