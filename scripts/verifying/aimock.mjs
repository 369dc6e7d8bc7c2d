// aimock with fal's queue slowed down, which its own command has no option for: node aimock.mjs PACKAGE PORT FIXTURES
const [entry, port, fixtures] = process.argv.slice(2);
const { LLMock } = await import(entry);
const mock = new LLMock({
  host: "127.0.0.1",
  port: Number(port),
  strict: true,
  logLevel: "warn",
  falQueue: { pollsBeforeInProgress: 1, pollsBeforeCompleted: 2 },
});
mock.loadFixtureFile(fixtures);
await mock.start();
