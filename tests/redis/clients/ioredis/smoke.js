// Every command of the server through ioredis, with its replies checked.
//
//   node smoke.js PORT PASSWORD [MODULE]
//
// MODULE is ioredis (the default) or ioredis-5, see package.json. Expects a fresh server started with
// --requirepass PASSWORD and --enable-debug-command, and ends it with SHUTDOWN. Ends with a line
// "MODULE: N passed, N failed". run.sh runs it.
"use strict";

const assert = require("node:assert");

const port = Number(process.argv[2]);
const password = process.argv[3];
const moduleName = process.argv[4] || "ioredis";
const Redis = require(moduleName).default || require(moduleName);

let passed = 0;
let failed = 0;

function check(what, got, wanted) {
  try {
    assert.deepStrictEqual(got, wanted);
    ++passed;
  } catch {
    ++failed;
    console.log("FAILED %s: %s: %o, not %o", moduleName, what, got, wanted);
  }
}

const holds = (what, condition) => check(what, Boolean(condition), true);
const between = (what, got, low, high) => holds(`${what}: ${got}`, low <= got && got <= high);

// The promise is rejected with an error reply that starts with `start`.
async function refused(what, promise, start) {
  try {
    check(what, await promise, `an error that starts with ${start}`);
  } catch (error) {
    holds(`${what}: ${error.message}`, error.message.startsWith(start));
  }
}

function connect(options = {}) {
  return new Redis({ port, host: "127.0.0.1", password, retryStrategy: null, ...options });
}

async function strings(r) {
  check("SET", await r.set("s", "hello"), "OK");
  check("GET", await r.get("s"), "hello");
  check("GET of nothing", await r.get("none"), null);
  check("SET NX refused", await r.set("s", "x", "NX"), null);
  check("SET XX GET", await r.set("s", "hello", "XX", "GET"), "hello");
  const bytes = Buffer.from([...Array(256).keys()]);
  check("SET binary", await r.set("bin\0\r\n", bytes), "OK");
  check("GET binary", await r.getBuffer("bin\0\r\n"), bytes);
  check("SET EX", await r.set("t", "v", "EX", 100), "OK");
  between("TTL", await r.ttl("t"), 90, 100);
  check("SET KEEPTTL", await r.set("t", "w", "KEEPTTL"), "OK");
  between("TTL kept", await r.ttl("t"), 90, 100);
  check("SET PXAT", await r.set("t", "v", "PXAT", Date.now() + 100000), "OK");
  between("PTTL", await r.pttl("t"), 90000, 100000);
  check("SETNX", await r.setnx("nx", "1"), 1);
  check("SETNX refused", await r.setnx("nx", "1"), 0);
  check("SETEX", await r.setex("t", 50, "v"), "OK");
  check("PSETEX", await r.psetex("t", 50000, "v"), "OK");
  check("GETSET", await r.getset("s", "world"), "hello");
  check("GETDEL", await r.getdel("nx"), "1");
  check("GETEX", await r.getex("s", "EX", 60), "world");
  check("GETEX PERSIST", await r.getex("s", "PERSIST"), "world");
  check("TTL without", await r.ttl("s"), -1);
  check("APPEND", await r.append("s", "!"), 6);
  check("STRLEN", await r.strlen("s"), 6);
  check("GETRANGE", await r.getrange("s", 1, 3), "orl");
  check("SUBSTR", await r.substr("s", 0, 1), "wo");
  check("SETRANGE", await r.setrange("s", 0, "W"), 6);
  check("MSET", await r.mset({ a: 1, b: 2 }), "OK");
  check("MGET", await r.mget("a", "b", "none"), ["1", "2", null]);
  check("MSETNX refused", await r.msetnx({ a: 1, c: 2 }), 0);
  check("MSETNX", await r.msetnx({ c: 1, d: 2 }), 1);
  check("INCR", await r.incr("n"), 1);
  check("INCRBY", await r.incrby("n", 41), 42);
  check("DECR", await r.decr("n"), 41);
  check("DECRBY", await r.decrby("n", 40), 1);
  check("INCRBYFLOAT", await r.incrbyfloat("n", 0.5), "1.5");
  await refused("INCR of a word", r.incr("s"), "ERR value is not an integer");
}

async function keys(r) {
  const now = Math.floor(Date.now() / 1000);
  check("FLUSHALL", await r.flushall(), "OK");
  const numbered = [...Array(20).keys()];
  check("MSET", await r.mset(new Map(numbered.map((i) => [`k${i}`, i]))), "OK");
  check("DBSIZE", await r.dbsize(), 20);
  check("EXISTS", await r.exists("k1", "k1", "none"), 2);
  check("TOUCH", await r.touch("k1", "none"), 1);
  check("TYPE", [await r.type("k1"), await r.type("none")], ["string", "none"]);
  check("EXPIRE", await r.expire("k1", 100), 1);
  check("EXPIRE NX refused", await r.expire("k1", 100, "NX"), 0);
  check("PEXPIRE", await r.pexpire("k1", 200000, "GT"), 1);
  check("EXPIREAT", await r.expireat("k1", now + 500), 1);
  check("EXPIRETIME", await r.expiretime("k1"), now + 500);
  check("PEXPIREAT", await r.pexpireat("k1", (now + 600) * 1000), 1);
  check("PEXPIRETIME", await r.pexpiretime("k1"), (now + 600) * 1000);
  check("PERSIST", await r.persist("k1"), 1);
  check("PTTL without", await r.pttl("k1"), -1);
  check("TTL of nothing", await r.ttl("none"), -2);
  check("RENAME", await r.rename("k1", "renamed"), "OK");
  await refused("RENAME of nothing", r.rename("none", "x"), "ERR no such key");
  check("RENAMENX refused", await r.renamenx("renamed", "k2"), 0);
  check("COPY", await r.copy("renamed", "copied"), 1);
  check("COPY refused", await r.copy("renamed", "copied"), 0);
  check("COPY REPLACE", await r.copy("k2", "copied", "REPLACE"), 1);
  await refused("MOVE", r.move("k2", 1), "ERR DB index is out of range");
  check("KEYS", (await r.keys("k1?")).sort(), numbered.slice(0, 10).map((i) => `k1${i}`));
  const scanned = [];
  for await (const page of r.scanStream({ match: "k*", count: 3 })) scanned.push(...page);
  check("SCAN", scanned.sort(), numbered.filter((i) => i !== 1).map((i) => `k${i}`).sort());
  check("RANDOMKEY", await r.exists(await r.randomkey()), 1);
  check("OBJECT ENCODING", await r.object("ENCODING", "k2"), "int");
  check("OBJECT REFCOUNT", await r.object("REFCOUNT", "k2"), 1);
  check("OBJECT IDLETIME", await r.object("IDLETIME", "k2"), 0);
  await refused("OBJECT FREQ", r.object("FREQ", "k2"), "ERR An LFU maxmemory policy is not selected");
  check("DEL", await r.del("k2", "k2", "k3"), 2);
  check("UNLINK", await r.unlink("k4", "none"), 1);
  check("WAIT", await r.wait(0, 0), 0);
  const pipeline = r.pipeline();
  for (let i = 0; i < 1000; ++i) pipeline.incr("counter");
  check("a pipeline", await pipeline.exec(), [...Array(1000).keys()].map((i) => [null, i + 1]));
  check("FLUSHDB", [await r.flushdb("ASYNC"), await r.dbsize()], ["OK", 0]);
}

async function connections(r) {
  check("PING", await r.ping(), "PONG");
  check("ECHO", await r.echoBuffer("\0 binary"), Buffer.from("\0 binary"));
  const own = connect();
  const hello = await own.call("HELLO", 2, "AUTH", "default", password, "SETNAME", "greeted");
  check("HELLO", [hello[4], hello[5]], ["proto", 2]);
  check("HELLO SETNAME", await own.client("GETNAME"), "greeted");
  check("AUTH", await own.auth(password), "OK");
  await refused("AUTH refused", own.auth("no"), "WRONGPASS invalid username-password pair");
  check("SELECT", await own.select(0), "OK");
  await refused("SELECT 1", own.select(1), "ERR DB index is out of range");
  check("CLIENT SETNAME", await own.client("SETNAME", "smoke"), "OK");
  check("CLIENT SETINFO", await own.call("CLIENT", "SETINFO", "LIB-NAME", "smoke-test"), "OK");
  check("CLIENT NO-EVICT", await own.client("NO-EVICT", "ON"), "OK");
  const number = await own.client("ID");
  holds("CLIENT INFO", (await own.client("INFO")).startsWith(`id=${number} `));
  holds("CLIENT LIST", (await own.client("LIST")).includes(" name=smoke "));
  holds("CLIENT HELP", (await own.client("HELP")).length > 10);
  const victim = connect();
  victim.on("error", () => {});
  const gone = new Promise((resolve) => victim.once("close", resolve));
  check("CLIENT KILL", await own.client("KILL", "ID", await victim.client("ID")), 1);
  await gone;
  await refused("CLIENT KILL of nobody", own.client("KILL", "1.2.3.4:5"), "ERR No such client");
  check("RESET", await own.call("RESET"), "RESET");
  check("AUTH after RESET", await own.auth(password), "OK");
  check("QUIT", await own.quit(), "OK");
}

async function server(r) {
  holds("INFO", (await r.info()).includes("redis_version:7.0.15\r\n"));
  check("CONFIG GET", await r.config("GET", "maxmemory-policy"), ["maxmemory-policy", "noeviction"]);
  check("CONFIG SET", await r.config("SET", "slowlog-max-len", 7), "OK");
  await refused("CONFIG REWRITE", r.config("REWRITE"), "ERR The server is running without a config file");
  holds("CONFIG HELP", (await r.config("HELP")).length > 5);
  const commands = await r.command();
  check("COMMAND", commands.find((row) => row[0] === "get")[1], 2);
  check("COMMAND COUNT", await r.command("COUNT"), commands.length);
  holds("COMMAND DOCS", JSON.stringify(await r.command("DOCS", "get")).includes("summary"));
  check("COMMAND INFO", (await r.command("INFO", "get", "set")).length, 2);
  check("COMMAND LIST", await r.command("LIST", "FILTERBY", "PATTERN", "getr*"), ["getrange"]);
  check("COMMAND GETKEYS", await r.command("GETKEYS", "MSET", "a", 1, "b", 2), ["a", "b"]);
  holds("COMMAND HELP", (await r.command("HELP")).length > 5);
  holds("OBJECT HELP", (await r.object("HELP")).length > 5);
  holds("FUNCTION HELP", (await r.function("HELP")).length > 1);
  check("FUNCTION FLUSH", await r.function("FLUSH"), "OK");
  const now = Date.now() / 1000;
  between("TIME", Number((await r.time())[0]), now - 5, now + 5);
  between("LASTSAVE", await r.lastsave(), now - 5, now + 5);
  check("ROLE", await r.role(), ["master", 0, []]);
  check("DEBUG SLEEP", await r.debug("SLEEP", 0.01), "OK");
  await refused("an unknown command", r.call("NOSUCH", "a"),
    "ERR unknown command 'NOSUCH', with args beginning with: 'a' ");
}

// The server's own count: no command of its list is left without a call.
async function allWereCalled(r) {
  const stats = await r.info("commandstats");
  const names = await r.command("LIST");
  for (const name of names) {
    const container = name !== "command" && names.some((other) => other.startsWith(name + "|"));
    if (name !== "shutdown" && !container) {
      holds(`calls of ${name}`, stats.includes(`cmdstat_${name}:calls=`));
    }
  }
}

async function main() {
  const r = connect();
  check("CONFIG RESETSTAT", await r.config("RESETSTAT"), "OK");
  await strings(r);
  await keys(r);
  await connections(r);
  await server(r);
  await allWereCalled(r);
  r.on("error", () => {});
  const gone = new Promise((resolve) => r.once("close", () => resolve("closed")));
  r.shutdown("NOSAVE").catch(() => {});
  check("SHUTDOWN", await gone, "closed");
  console.log("%s: %d passed, %d failed", moduleName, passed, failed);
  process.exit(failed === 0 ? 0 : 1);
}

main();
