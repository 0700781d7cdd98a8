/* Every command of the server through hiredis, with its replies checked.
 *
 *   smoke PORT PASSWORD
 *
 * Expects a fresh server started with --requirepass PASSWORD and --enable-debug-command, and ends it with
 * SHUTDOWN. Ends with a line "hiredis: N passed, N failed". run.sh builds and runs it. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

static int passed, failed;
static redisContext *connection;

static void check(const char *what, int holds, const redisReply *reply) {
  if (holds) {
    ++passed;
    return;
  }
  ++failed;
  printf("FAILED hiredis: %s: type %d, integer %lld, text %s\n", what, reply ? reply->type : -1,
         reply ? reply->integer : 0, reply && reply->str ? reply->str : "none");
}

static redisReply *ask(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  redisReply *reply = redisvCommand(connection, format, arguments);
  va_end(arguments);
  return reply;
}

/* Each asks, checks the reply and frees it; the command is the text after the expectation. */
#define STATUS(wanted, ...) expect_text(REDIS_REPLY_STATUS, wanted, ask(__VA_ARGS__), #__VA_ARGS__)
#define TEXT(wanted, ...) expect_text(REDIS_REPLY_STRING, wanted, ask(__VA_ARGS__), #__VA_ARGS__)
#define REFUSED(wanted, ...) expect_text(REDIS_REPLY_ERROR, wanted, ask(__VA_ARGS__), #__VA_ARGS__)
#define INTEGER(low, high, ...) expect_integer(low, high, ask(__VA_ARGS__), #__VA_ARGS__)
#define NOTHING(...) expect_type(REDIS_REPLY_NIL, ask(__VA_ARGS__), #__VA_ARGS__)
#define ARRAY(low, high, ...) expect_array(low, high, ask(__VA_ARGS__), #__VA_ARGS__)

/* An error need only start with the wanted text. */
static void expect_text(int type, const char *wanted, redisReply *reply, const char *what) {
  size_t size = strlen(wanted);
  check(what, reply != NULL && reply->type == type && (type == REDIS_REPLY_ERROR || reply->len == size) &&
                  strncmp(reply->str, wanted, size) == 0, reply);
  freeReplyObject(reply);
}

static void expect_integer(long long low, long long high, redisReply *reply, const char *what) {
  check(what, reply != NULL && reply->type == REDIS_REPLY_INTEGER && low <= reply->integer &&
                  reply->integer <= high, reply);
  freeReplyObject(reply);
}

static void expect_type(int type, redisReply *reply, const char *what) {
  check(what, reply != NULL && reply->type == type, reply);
  freeReplyObject(reply);
}

static void expect_array(size_t low, size_t high, redisReply *reply, const char *what) {
  check(what, reply != NULL && reply->type == REDIS_REPLY_ARRAY && low <= reply->elements &&
                  reply->elements <= high, reply);
  freeReplyObject(reply);
}

static void strings(void) {
  long long now_ms = (long long)time(NULL) * 1000;
  STATUS("OK", "SET s hello");
  TEXT("hello", "GET s");
  NOTHING("GET none");
  NOTHING("SET s x NX");
  TEXT("hello", "SET s hello XX GET");
  STATUS("OK", "SET %b %b", "bin\0\r\n", (size_t)6, "\0\xff\r\n", (size_t)4);
  redisReply *binary = ask("GET %b", "bin\0\r\n", (size_t)6);
  check("GET binary", binary->type == REDIS_REPLY_STRING && binary->len == 4 &&
                          memcmp(binary->str, "\0\xff\r\n", 4) == 0, binary);
  freeReplyObject(binary);
  STATUS("OK", "SET t v EX 100");
  INTEGER(90, 100, "TTL t");
  STATUS("OK", "SET t w KEEPTTL");
  INTEGER(90, 100, "TTL t");
  STATUS("OK", "SET t v PXAT %lld", now_ms + 100000);
  INTEGER(90000, 100000, "PTTL t");
  INTEGER(1, 1, "SETNX nx 1");
  INTEGER(0, 0, "SETNX nx 1");
  STATUS("OK", "SETEX t 50 v");
  STATUS("OK", "PSETEX t 50000 v");
  TEXT("hello", "GETSET s world");
  TEXT("1", "GETDEL nx");
  TEXT("world", "GETEX s EX 60");
  TEXT("world", "GETEX s PERSIST");
  INTEGER(-1, -1, "TTL s");
  INTEGER(6, 6, "APPEND s !");
  INTEGER(6, 6, "STRLEN s");
  TEXT("orl", "GETRANGE s 1 3");
  TEXT("wo", "SUBSTR s 0 1");
  INTEGER(6, 6, "SETRANGE s 0 W");
  STATUS("OK", "MSET a 1 b 2");
  ARRAY(3, 3, "MGET a b none");
  INTEGER(0, 0, "MSETNX a 1 c 2");
  INTEGER(1, 1, "MSETNX c 1 d 2");
  INTEGER(1, 1, "INCR n");
  INTEGER(42, 42, "INCRBY n 41");
  INTEGER(41, 41, "DECR n");
  INTEGER(1, 1, "DECRBY n 40");
  TEXT("1.5", "INCRBYFLOAT n 0.5");
  REFUSED("ERR value is not an integer", "INCR s");
}

static void keys(void) {
  long long now = (long long)time(NULL);
  STATUS("OK", "FLUSHALL");
  for (int i = 0; i < 20; ++i) STATUS("OK", "SET k%d %d", i, i);
  INTEGER(20, 20, "DBSIZE");
  INTEGER(2, 2, "EXISTS k1 k1 none");
  INTEGER(1, 1, "TOUCH k1 none");
  STATUS("string", "TYPE k1");
  STATUS("none", "TYPE none");
  INTEGER(1, 1, "EXPIRE k1 100");
  INTEGER(0, 0, "EXPIRE k1 100 NX");
  INTEGER(1, 1, "PEXPIRE k1 200000 GT");
  INTEGER(1, 1, "EXPIREAT k1 %lld", now + 500);
  INTEGER(now + 500, now + 500, "EXPIRETIME k1");
  INTEGER(1, 1, "PEXPIREAT k1 %lld", (now + 600) * 1000);
  INTEGER((now + 600) * 1000, (now + 600) * 1000, "PEXPIRETIME k1");
  INTEGER(1, 1, "PERSIST k1");
  INTEGER(-1, -1, "PTTL k1");
  INTEGER(-2, -2, "TTL none");
  STATUS("OK", "RENAME k1 renamed");
  REFUSED("ERR no such key", "RENAME none x");
  INTEGER(0, 0, "RENAMENX renamed k2");
  INTEGER(1, 1, "COPY renamed copied");
  INTEGER(0, 0, "COPY renamed copied");
  INTEGER(1, 1, "COPY k2 copied REPLACE");
  REFUSED("ERR DB index is out of range", "MOVE k2 1");
  ARRAY(10, 10, "KEYS k1?");
  ARRAY(2, 2, "SCAN 0 MATCH k* COUNT 100");
  expect_type(REDIS_REPLY_STRING, ask("RANDOMKEY"), "RANDOMKEY");
  TEXT("int", "OBJECT ENCODING k2");
  INTEGER(1, 1, "OBJECT REFCOUNT k2");
  INTEGER(0, 0, "OBJECT IDLETIME k2");
  REFUSED("ERR An LFU maxmemory policy is not selected", "OBJECT FREQ k2");
  INTEGER(2, 2, "DEL k2 k2 k3");
  INTEGER(1, 1, "UNLINK k4 none");
  INTEGER(0, 0, "WAIT 0 0");
  for (int i = 0; i < 1000; ++i) redisAppendCommand(connection, "INCR counter");
  for (int i = 1; i <= 1000; ++i) {
    redisReply *reply = NULL;
    if (redisGetReply(connection, (void **)&reply) != REDIS_OK || reply->integer != i) {
      check("a pipeline", 0, reply);
      break;
    }
    freeReplyObject(reply);
    if (i == 1000) check("a pipeline", 1, NULL);
  }
  STATUS("OK", "FLUSHDB ASYNC");
  INTEGER(0, 0, "DBSIZE");
}

static void connections(int port, const char *password) {
  STATUS("PONG", "PING");
  redisReply *echo = ask("ECHO %b", "\0 binary", (size_t)8);
  check("ECHO", echo->len == 8 && memcmp(echo->str, "\0 binary", 8) == 0, echo);
  freeReplyObject(echo);
  ARRAY(14, 14, "HELLO 2 AUTH default %s SETNAME greeted", password);
  TEXT("greeted", "CLIENT GETNAME");
  REFUSED("WRONGPASS invalid username-password pair", "AUTH no");
  STATUS("OK", "SELECT 0");
  REFUSED("ERR DB index is out of range", "SELECT 1");
  STATUS("OK", "CLIENT SETNAME smoke");
  STATUS("OK", "CLIENT SETINFO LIB-NAME smoke-test");
  STATUS("OK", "CLIENT NO-EVICT ON");
  redisReply *info = ask("CLIENT INFO");
  check("CLIENT INFO", info->type == REDIS_REPLY_STRING && strstr(info->str, " name=smoke ") != NULL, info);
  freeReplyObject(info);
  redisReply *list = ask("CLIENT LIST");
  check("CLIENT LIST", list->type == REDIS_REPLY_STRING && strstr(list->str, " name=smoke ") != NULL, list);
  freeReplyObject(list);
  ARRAY(10, 100, "CLIENT HELP");
  redisContext *victim = redisConnect("127.0.0.1", port);
  freeReplyObject(redisCommand(victim, "AUTH %s", password));
  redisReply *id = redisCommand(victim, "CLIENT ID");
  check("CLIENT ID", id->type == REDIS_REPLY_INTEGER && id->integer > 0, id);
  INTEGER(1, 1, "CLIENT KILL ID %lld", id->integer);
  freeReplyObject(id);
  check("a killed client", redisCommand(victim, "PING") == NULL && victim->err == REDIS_ERR_EOF, NULL);
  redisFree(victim);
  REFUSED("ERR No such client", "CLIENT KILL 1.2.3.4:5");
  redisContext *main_connection = connection;
  connection = redisConnect("127.0.0.1", port);
  STATUS("OK", "AUTH %s", password);
  STATUS("RESET", "RESET");
  REFUSED("NOAUTH", "GET s");
  STATUS("OK", "QUIT");
  check("after QUIT", ask("PING") == NULL, NULL);
  redisFree(connection);
  connection = main_connection;
}

static void server(void) {
  redisReply *info = ask("INFO");
  check("INFO", info->type == REDIS_REPLY_STRING && strstr(info->str, "redis_version:7.0.15\r\n") != NULL, info);
  freeReplyObject(info);
  ARRAY(2, 2, "CONFIG GET maxmemory-policy");
  STATUS("OK", "CONFIG SET slowlog-max-len 7");
  REFUSED("ERR The server is running without a config file", "CONFIG REWRITE");
  ARRAY(5, 100, "CONFIG HELP");
  redisReply *count = ask("COMMAND COUNT");
  check("COMMAND COUNT", count->type == REDIS_REPLY_INTEGER && count->integer > 50, count);
  size_t commands = (size_t)count->integer;
  freeReplyObject(count);
  ARRAY(commands, commands, "COMMAND");
  ARRAY(2, 2, "COMMAND DOCS get");
  ARRAY(2, 2, "COMMAND INFO get set");
  ARRAY(1, 1, "COMMAND LIST FILTERBY PATTERN getr*");
  ARRAY(2, 2, "COMMAND GETKEYS MSET a 1 b 2");
  ARRAY(5, 100, "COMMAND HELP");
  ARRAY(5, 100, "OBJECT HELP");
  ARRAY(1, 100, "FUNCTION HELP");
  STATUS("OK", "FUNCTION FLUSH");
  ARRAY(2, 2, "TIME");
  INTEGER((long long)time(NULL) - 5, (long long)time(NULL) + 5, "LASTSAVE");
  ARRAY(3, 3, "ROLE");
  STATUS("OK", "DEBUG SLEEP 0.01");
  REFUSED("ERR unknown command 'NOSUCH', with args beginning with: 'a' ", "NOSUCH a");
}

/* The server's own count: no command of its list is left without a call. */
static void all_were_called(void) {
  redisReply *stats = ask("INFO commandstats");
  redisReply *names = ask("COMMAND LIST");
  for (size_t i = 0; i < names->elements; ++i) {
    const char *name = names->element[i]->str;
    int container = 0;
    for (size_t k = 0; k < names->elements && !container; ++k) {
      size_t size = strlen(name);
      container = strncmp(names->element[k]->str, name, size) == 0 && names->element[k]->str[size] == '|';
    }
    if (strcmp(name, "shutdown") == 0 || (container && strcmp(name, "command") != 0)) continue;
    char line[100];
    snprintf(line, sizeof line, "cmdstat_%s:calls=", name);
    check(line, strstr(stats->str, line) != NULL, NULL);
  }
  freeReplyObject(stats);
  freeReplyObject(names);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int port = atoi(argv[1]);
  connection = redisConnect("127.0.0.1", port);
  if (connection == NULL || connection->err != 0) return 2;
  STATUS("OK", "AUTH %s", argv[2]);
  STATUS("OK", "CONFIG RESETSTAT");
  strings();
  keys();
  connections(port, argv[2]);
  server();
  all_were_called();
  check("SHUTDOWN", ask("SHUTDOWN NOSAVE") == NULL && connection->err == REDIS_ERR_EOF, NULL);
  redisFree(connection);
  printf("hiredis: %d passed, %d failed\n", passed, failed);
  return failed != 0;
}
