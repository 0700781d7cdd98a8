#pragma once

// The handlers behind the rows of the command table, by group (commands_<group>.cc).

#include "redis/command.h"

namespace nokv::redis::commands {

// commands_string.cc
void Get(CommandContext& ctx);
void Set(CommandContext& ctx);
void SetNx(CommandContext& ctx);
void SetEx(CommandContext& ctx);
void PSetEx(CommandContext& ctx);
void GetSet(CommandContext& ctx);
void GetDel(CommandContext& ctx);
void GetEx(CommandContext& ctx);
void MGet(CommandContext& ctx);
void MSet(CommandContext& ctx);
void MSetNx(CommandContext& ctx);
void Append(CommandContext& ctx);
void StrLen(CommandContext& ctx);
void GetRange(CommandContext& ctx);
void SetRange(CommandContext& ctx);

// commands_number.cc
void Incr(CommandContext& ctx);
void Decr(CommandContext& ctx);
void IncrBy(CommandContext& ctx);
void DecrBy(CommandContext& ctx);
void IncrByFloat(CommandContext& ctx);

// commands_expiry.cc
void Expire(CommandContext& ctx);
void PExpire(CommandContext& ctx);
void ExpireAt(CommandContext& ctx);
void PExpireAt(CommandContext& ctx);
void Ttl(CommandContext& ctx);
void PTtl(CommandContext& ctx);
void ExpireTime(CommandContext& ctx);
void PExpireTime(CommandContext& ctx);
void Persist(CommandContext& ctx);

// commands_keyspace.cc
void Del(CommandContext& ctx);
void Exists(CommandContext& ctx);
void Type(CommandContext& ctx);
void Keys(CommandContext& ctx);
void Scan(CommandContext& ctx);
void RandomKey(CommandContext& ctx);
void Rename(CommandContext& ctx);
void RenameNx(CommandContext& ctx);
void Copy(CommandContext& ctx);
void Move(CommandContext& ctx);
void DbSize(CommandContext& ctx);
void Flush(CommandContext& ctx);
void ObjectEncoding(CommandContext& ctx);
void ObjectRefcount(CommandContext& ctx);
void ObjectIdletime(CommandContext& ctx);
void ObjectFreq(CommandContext& ctx);

// commands_connection.cc
void Ping(CommandContext& ctx);
void Echo(CommandContext& ctx);
void Quit(CommandContext& ctx);
void Reset(CommandContext& ctx);
void Select(CommandContext& ctx);
void Hello(CommandContext& ctx);
void Auth(CommandContext& ctx);
void ClientId(CommandContext& ctx);
void ClientGetName(CommandContext& ctx);
void ClientSetName(CommandContext& ctx);
void ClientSetInfo(CommandContext& ctx);
void ClientInfo(CommandContext& ctx);
void ClientList(CommandContext& ctx);
void ClientKill(CommandContext& ctx);
void ClientNoEvict(CommandContext& ctx);

// commands_server.cc
void Command(CommandContext& ctx);
void CommandCount(CommandContext& ctx);
void CommandInfo(CommandContext& ctx);
void CommandList(CommandContext& ctx);
void CommandDocs(CommandContext& ctx);
void CommandGetKeys(CommandContext& ctx);
void Info(CommandContext& ctx);
void ConfigGet(CommandContext& ctx);
void ConfigSet(CommandContext& ctx);
void ConfigResetStat(CommandContext& ctx);
void ConfigRewrite(CommandContext& ctx);
void DebugSleep(CommandContext& ctx);
void FunctionFlush(CommandContext& ctx);
void Time(CommandContext& ctx);
void Wait(CommandContext& ctx);
void Shutdown(CommandContext& ctx);
void LastSave(CommandContext& ctx);
void Role(CommandContext& ctx);

// HELP of any container: its subcommands, from the table.
void Help(CommandContext& ctx);

}  // namespace nokv::redis::commands
