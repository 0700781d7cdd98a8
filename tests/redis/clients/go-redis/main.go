// Every command of the server through go-redis, with its replies checked, over RESP2 and RESP3.
//
//	smoke PORT PASSWORD
//
// Expects a fresh server started with --requirepass PASSWORD and --enable-debug-command, and ends it with
// SHUTDOWN. Ends with a line "go-redis: N passed, N failed". run.sh builds and runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	ctx            = context.Background()
	passed, failed int
)

// check compares, `got` being the two results of a command.
func check(what string, wanted any) func(got any, err error) {
	return func(got any, err error) {
		if err == nil && reflect.DeepEqual(got, wanted) {
			passed++
			return
		}
		failed++
		fmt.Printf("FAILED go-redis: %s: %#v (error %v), not %#v\n", what, got, err, wanted)
	}
}

func holds(what string, condition bool, detail any) {
	if condition {
		passed++
		return
	}
	failed++
	fmt.Printf("FAILED go-redis: %s: %v\n", what, detail)
}

// refused wants an error reply that starts with `start`.
func refused(what string, err error, start string) {
	holds(what, err != nil && strings.HasPrefix(err.Error(), start), err)
}

func nothing(what string, err error) { holds(what, errors.Is(err, redis.Nil), err) }

func result[T any](got T, err error) (any, error) { return got, err }

func stringCommands(r *redis.Client) {
	check("SET", "OK")(result(r.Set(ctx, "s", "hello", 0).Result()))
	check("GET", "hello")(result(r.Get(ctx, "s").Result()))
	nothing("GET of nothing", r.Get(ctx, "none").Err())
	nothing("SET NX refused", r.SetArgs(ctx, "s", "x", redis.SetArgs{Mode: "NX"}).Err())
	check("SET XX GET", "hello")(result(r.SetArgs(ctx, "s", "hello", redis.SetArgs{Mode: "XX", Get: true}).Result()))
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	check("SET binary", "OK")(result(r.Set(ctx, "bin\x00\r\n", binary, 0).Result()))
	check("GET binary", binary)(result(r.Get(ctx, "bin\x00\r\n").Bytes()))
	check("SET EX", "OK")(result(r.Set(ctx, "t", "v", 100*time.Second).Result()))
	ttl := r.TTL(ctx, "t").Val()
	holds("TTL", 90*time.Second <= ttl && ttl <= 100*time.Second, ttl)
	check("SET KEEPTTL", "OK")(result(r.Set(ctx, "t", "w", redis.KeepTTL).Result()))
	check("SET EXAT", "OK")(result(r.SetArgs(ctx, "t", "v", redis.SetArgs{ExpireAt: time.Now().Add(100 * time.Second)}).Result()))
	ttl = r.PTTL(ctx, "t").Val()
	holds("PTTL", 90*time.Second <= ttl && ttl <= 100*time.Second, ttl)
	check("SETNX", int64(1))(result(r.Do(ctx, "SETNX", "nx", "1").Result()))
	check("SETNX refused", int64(0))(result(r.Do(ctx, "SETNX", "nx", "1").Result()))
	check("SETEX", "OK")(result(r.SetEx(ctx, "t", "v", 50*time.Second).Result()))
	check("PSETEX", "OK")(result(r.Do(ctx, "PSETEX", "t", 50_000, "v").Result()))
	check("GETSET", "hello")(result(r.Do(ctx, "GETSET", "s", "world").Result()))
	check("GETDEL", "1")(result(r.GetDel(ctx, "nx").Result()))
	check("GETEX", "world")(result(r.GetEx(ctx, "s", time.Minute).Result()))
	check("GETEX PERSIST", "world")(result(r.GetEx(ctx, "s", 0).Result()))
	check("TTL without", time.Duration(-1))(result(r.TTL(ctx, "s").Result()))
	check("APPEND", int64(6))(result(r.Append(ctx, "s", "!").Result()))
	check("STRLEN", int64(6))(result(r.StrLen(ctx, "s").Result()))
	check("GETRANGE", "orl")(result(r.GetRange(ctx, "s", 1, 3).Result()))
	check("SUBSTR", "wo")(result(r.Do(ctx, "SUBSTR", "s", 0, 1).Result()))
	check("SETRANGE", int64(6))(result(r.SetRange(ctx, "s", 0, "W").Result()))
	check("MSET", "OK")(result(r.MSet(ctx, "a", 1, "b", 2).Result()))
	check("MGET", []any{"1", "2", nil})(result(r.MGet(ctx, "a", "b", "none").Result()))
	check("MSETNX refused", false)(result(r.MSetNX(ctx, "a", 1, "c", 2).Result()))
	check("MSETNX", true)(result(r.MSetNX(ctx, "c", 1, "d", 2).Result()))
	check("INCR", int64(1))(result(r.Incr(ctx, "n").Result()))
	check("INCRBY", int64(42))(result(r.IncrBy(ctx, "n", 41).Result()))
	check("DECR", int64(41))(result(r.Decr(ctx, "n").Result()))
	check("DECRBY", int64(1))(result(r.DecrBy(ctx, "n", 40).Result()))
	check("INCRBYFLOAT", 1.5)(result(r.IncrByFloat(ctx, "n", 0.5).Result()))
	refused("INCR of a word", r.Incr(ctx, "s").Err(), "ERR value is not an integer")
}

func keyCommands(r *redis.Client) {
	now := time.Now().Truncate(time.Second)
	check("FLUSHALL", "OK")(result(r.FlushAll(ctx).Result()))
	var numbered, expected, pairs = []string{}, []string{}, []any{}
	for i := range 20 {
		pairs = append(pairs, fmt.Sprintf("k%d", i), i)
		if i >= 10 {
			numbered = append(numbered, fmt.Sprintf("k%d", i))
		}
		if i != 1 {
			expected = append(expected, fmt.Sprintf("k%d", i))
		}
	}
	sort.Strings(expected)
	check("MSET", "OK")(result(r.MSet(ctx, pairs...).Result()))
	check("DBSIZE", int64(20))(result(r.DBSize(ctx).Result()))
	check("EXISTS", int64(2))(result(r.Exists(ctx, "k1", "k1", "none").Result()))
	check("TOUCH", int64(1))(result(r.Touch(ctx, "k1", "none").Result()))
	check("TYPE", "string")(result(r.Type(ctx, "k1").Result()))
	check("TYPE of nothing", "none")(result(r.Type(ctx, "none").Result()))
	check("EXPIRE", true)(result(r.Expire(ctx, "k1", 100*time.Second).Result()))
	check("EXPIRE NX refused", false)(result(r.ExpireNX(ctx, "k1", 100*time.Second).Result()))
	check("EXPIRE GT", true)(result(r.ExpireGT(ctx, "k1", 200*time.Second).Result()))
	check("PEXPIRE", true)(result(r.PExpire(ctx, "k1", 300*time.Second).Result()))
	check("EXPIREAT", true)(result(r.ExpireAt(ctx, "k1", now.Add(500*time.Second)).Result()))
	check("EXPIRETIME", time.Duration(now.Unix()+500)*time.Second)(result(r.ExpireTime(ctx, "k1").Result()))
	check("PEXPIREAT", true)(result(r.PExpireAt(ctx, "k1", now.Add(600*time.Second)).Result()))
	check("PEXPIRETIME", time.Duration(now.UnixMilli()+600_000)*time.Millisecond)(result(r.PExpireTime(ctx, "k1").Result()))
	check("PERSIST", true)(result(r.Persist(ctx, "k1").Result()))
	check("PTTL without", time.Duration(-1))(result(r.PTTL(ctx, "k1").Result()))
	check("TTL of nothing", time.Duration(-2))(result(r.TTL(ctx, "none").Result()))
	check("RENAME", "OK")(result(r.Rename(ctx, "k1", "renamed").Result()))
	refused("RENAME of nothing", r.Rename(ctx, "none", "x").Err(), "ERR no such key")
	check("RENAMENX refused", false)(result(r.RenameNX(ctx, "renamed", "k2").Result()))
	check("COPY", int64(1))(result(r.Copy(ctx, "renamed", "copied", 0, false).Result()))
	check("COPY refused", int64(0))(result(r.Copy(ctx, "renamed", "copied", 0, false).Result()))
	check("COPY REPLACE", int64(1))(result(r.Copy(ctx, "k2", "copied", 0, true).Result()))
	refused("MOVE", r.Move(ctx, "k2", 1).Err(), "ERR DB index is out of range")
	keys, err := r.Keys(ctx, "k1?").Result()
	sort.Strings(keys)
	check("KEYS", numbered)(keys, err)
	var scanned []string
	for pages := r.Scan(ctx, 0, "k*", 3).Iterator(); pages.Next(ctx); {
		scanned = append(scanned, pages.Val())
	}
	sort.Strings(scanned)
	check("SCAN", expected)(scanned, nil)
	check("RANDOMKEY", int64(1))(result(r.Exists(ctx, r.RandomKey(ctx).Val()).Result()))
	check("OBJECT ENCODING", "int")(result(r.ObjectEncoding(ctx, "k2").Result()))
	check("OBJECT REFCOUNT", int64(1))(result(r.ObjectRefCount(ctx, "k2").Result()))
	check("OBJECT IDLETIME", time.Duration(0))(result(r.ObjectIdleTime(ctx, "k2").Result()))
	refused("OBJECT FREQ", r.ObjectFreq(ctx, "k2").Err(), "ERR An LFU maxmemory policy is not selected")
	check("DEL", int64(2))(result(r.Del(ctx, "k2", "k2", "k3").Result()))
	check("UNLINK", int64(1))(result(r.Unlink(ctx, "k4", "none").Result()))
	check("WAIT", int64(0))(result(r.Wait(ctx, 0, 0).Result()))
	pipeline := r.Pipeline()
	for range 1000 {
		pipeline.Incr(ctx, "counter")
	}
	replies, err := pipeline.Exec(ctx)
	check("a pipeline", int64(1000))(result(replies[999].(*redis.IntCmd).Val(), err))
	check("FLUSHDB", "OK")(result(r.FlushDBAsync(ctx).Result()))
	check("DBSIZE after it", int64(0))(result(r.DBSize(ctx).Result()))
}

func connectionCommands(r *redis.Client, protocol int, password string) {
	check("PING", "PONG")(result(r.Ping(ctx).Result()))
	check("ECHO", "\x00 binary")(result(r.Echo(ctx, "\x00 binary").Result()))
	// A pool of their own: connections that the server closes below must not be handed out again.
	others := redis.NewClient(r.Options())
	defer others.Close()
	own := others.Conn()
	defer own.Close()
	hello, err := own.Hello(ctx, protocol, "default", password, "greeted").Result()
	check("HELLO", int64(protocol))(hello["proto"], err)
	check("HELLO SETNAME", "greeted")(result(own.ClientGetName(ctx).Result()))
	check("AUTH", "OK")(result(own.Auth(ctx, password).Result()))
	refused("AUTH refused", own.Auth(ctx, "no").Err(), "WRONGPASS invalid username-password pair")
	check("SELECT", "OK")(result(own.Select(ctx, 0).Result()))
	refused("SELECT 1", own.Select(ctx, 1).Err(), "ERR DB index is out of range")
	check("CLIENT SETNAME", true)(result(own.ClientSetName(ctx, "smoke").Result()))
	check("CLIENT SETINFO", "OK")(result(own.ClientSetInfo(ctx, redis.WithLibraryName("smoke-test")).Result()))
	check("CLIENT NO-EVICT", "OK")(result(own.Do(ctx, "CLIENT", "NO-EVICT", "ON").Result()))
	number := own.ClientID(ctx).Val()
	info, err := own.ClientInfo(ctx).Result()
	holds("CLIENT INFO", err == nil && info.Name == "smoke" && info.ID == number, err)
	list := own.ClientList(ctx).Val()
	holds("CLIENT LIST", strings.Contains(list, " name=smoke "), list)
	help, err := own.Do(ctx, "CLIENT", "HELP").Slice()
	holds("CLIENT HELP", err == nil && len(help) > 10, err)
	victim := others.Conn()
	check("CLIENT KILL", int64(1))(result(own.ClientKillByFilter(ctx, "ID", fmt.Sprint(victim.ClientID(ctx).Val())).Result()))
	victim.Close()
	refused("CLIENT KILL of nobody", own.ClientKill(ctx, "1.2.3.4:5").Err(), "ERR No such client")
	check("RESET", "RESET")(result(own.Do(ctx, "RESET").Result()))
	check("QUIT", "OK")(result(own.Do(ctx, "QUIT").Result()))
}

func serverCommands(r *redis.Client) {
	info, err := r.InfoMap(ctx).Result()
	check("INFO", "7.0.15")(info["Server"]["redis_version"], err)
	check("CONFIG GET", map[string]string{"maxmemory-policy": "noeviction"})(result(r.ConfigGet(ctx, "maxmemory-policy").Result()))
	check("CONFIG SET", "OK")(result(r.ConfigSet(ctx, "slowlog-max-len", "7").Result()))
	refused("CONFIG REWRITE", r.ConfigRewrite(ctx).Err(), "ERR The server is running without a config file")
	commands, err := r.Command(ctx).Result()
	check("COMMAND", int8(2))(commands["get"].Arity, err)
	check("COMMAND COUNT", int64(len(commands)))(result(r.Do(ctx, "COMMAND", "COUNT").Result()))
	for _, words := range [][]any{{"COMMAND", "DOCS", "get"}, {"COMMAND", "INFO", "get", "set"}, {"COMMAND", "HELP"},
		{"CONFIG", "HELP"}, {"OBJECT", "HELP"}, {"FUNCTION", "HELP"}} {
		reply, err := r.Do(ctx, words...).Result()
		holds(fmt.Sprint(words...), err == nil && reflect.ValueOf(reply).Len() > 0, err)
	}
	check("COMMAND LIST", []string{"getrange"})(result(r.CommandList(ctx, &redis.FilterBy{Pattern: "getr*"}).Result()))
	check("COMMAND GETKEYS", []string{"a", "b"})(result(r.CommandGetKeys(ctx, "MSET", "a", 1, "b", 2).Result()))
	check("FUNCTION FLUSH", "OK")(result(r.FunctionFlush(ctx).Result()))
	holds("TIME", time.Since(r.Time(ctx).Val()).Abs() < 5*time.Second, r.Time(ctx).Val())
	holds("LASTSAVE", time.Since(time.Unix(r.LastSave(ctx).Val(), 0)).Abs() < 5*time.Second, r.LastSave(ctx).Val())
	check("ROLE", []any{"master", int64(0), []any{}})(result(r.Do(ctx, "ROLE").Result()))
	check("DEBUG SLEEP", "OK")(result(r.Do(ctx, "DEBUG", "SLEEP", "0.01").Result()))
	refused("an unknown command", r.Do(ctx, "NOSUCH", "a").Err(), "ERR unknown command 'NOSUCH', with args beginning with: 'a' ")
}

// allWereCalled asks the server's own count: no command of its list is left without a call.
func allWereCalled(r *redis.Client) {
	stats := r.Info(ctx, "commandstats").Val()
	names, err := r.CommandList(ctx, nil).Result()
	holds("COMMAND LIST", err == nil && len(names) > 50, err)
	containers := map[string]bool{"shutdown": true}
	for _, name := range names {
		if container, _, found := strings.Cut(name, "|"); found && container != "command" {
			containers[container] = true
		}
	}
	for _, name := range names {
		if !containers[name] {
			holds("calls of "+name, strings.Contains(stats, "cmdstat_"+name+":calls="), "none")
		}
	}
}

func main() {
	if len(os.Args) != 3 {
		os.Exit(2)
	}
	var r *redis.Client
	for _, protocol := range []int{2, 3} {
		// No retries: SHUTDOWN is answered by the end of the connection.
		r = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1], Password: os.Args[2],
			Protocol: protocol, MaxRetries: -1})
		check("CONFIG RESETSTAT", "OK")(result(r.ConfigResetStat(ctx).Result()))
		stringCommands(r)
		keyCommands(r)
		connectionCommands(r, protocol, os.Args[2])
		serverCommands(r)
		allWereCalled(r)
	}
	err := r.ShutdownNoSave(ctx).Err()
	holds("SHUTDOWN", err == nil, err)
	fmt.Printf("go-redis: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
