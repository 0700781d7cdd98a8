// Commands about the connection itself: greeting, password, names, other clients.

#include <limits>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/commands.h"
#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis::commands {

namespace {

constexpr char kWrongPassword[] = "WRONGPASS invalid username-password pair or user is disabled.";
constexpr char kUnknownUserType[] = "Unknown client type '";

// Takes the same time wherever the two differ.
bool SamePassword(Slice given, Slice wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char c = wanted.empty() ? '\0' : wanted[i % wanted.size()];
    difference |= static_cast<unsigned char>(given[i] ^ c);
  }
  return difference == 0;
}

// The only user is "default"; without a password any one is right.
bool Authenticate(CommandContext& ctx, Slice user, Slice password) {
  const std::string& wanted = ctx.service.settings().requirepass;
  if (user != "default" || (!wanted.empty() && !SamePassword(password, wanted))) return false;
  ctx.session.authenticated = true;
  return true;
}

bool IsPrintable(Slice text) {
  for (const char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

bool SetName(CommandContext& ctx, Slice name) {
  if (!IsPrintable(name)) {
    ctx.reply.Err("Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  ctx.session.name = name;
  return true;
}

Slice CString(Slice text) { return text.substr(0, text.find('\0')); }

std::string Describe(const Session& session, uint64_t now_micros) {
  const auto seconds_since = [&](uint64_t then) {
    return std::to_string(now_micros > then ? (now_micros - then) / 1'000'000 : 0);
  };
  std::string flags;
  if (session.waiting) flags += 'b';
  if (session.close_after_reply) flags += 'c';
  if (session.no_evict) flags += 'e';
  if (flags.empty()) flags = "N";
  const std::string memory = std::to_string(session.input_bytes + session.output_bytes);
  std::string text = "id=" + std::to_string(session.id);
  text += " addr=" + session.peer.ToString() + " laddr=" + session.local.ToString();
  text += " fd=" + std::to_string(session.fd) + " name=" + session.name;
  text += " age=" + seconds_since(session.connected_micros);
  text += " idle=" + seconds_since(session.active_micros);
  text += " flags=" + flags + " db=0 sub=0 psub=0 ssub=0 multi=-1";
  text += " qbuf=" + std::to_string(session.input_bytes) + " qbuf-free=0 argv-mem=0 multi-mem=0";
  text += " rbs=0 rbp=0 obl=0 oll=0 omem=" + std::to_string(session.output_bytes);
  text += " tot-mem=" + memory + (session.output_bytes > 0 ? " events=rw" : " events=r");
  text += " cmd=" + std::string(session.last_command == nullptr ? std::string_view("NULL")
                                                                : session.last_command->name);
  text += " user=default redir=-1 resp=" + std::to_string(static_cast<int>(session.protocol));
  // What 7.0 does not have comes last, as later versions put it.
  if (!session.library_name.empty() || !session.library_version.empty()) {
    text += " lib-name=" + session.library_name + " lib-ver=" + session.library_version;
  }
  text += "\n";
  return text;
}

// False if there is no client type of that name; *normal tells whether it is the one that exists here.
bool ParseClientType(Slice text, bool* normal) {
  *normal = EqualsIgnoringCase(text, "normal");
  return *normal || EqualsIgnoringCase(text, "master") || EqualsIgnoringCase(text, "slave") ||
         EqualsIgnoringCase(text, "replica") || EqualsIgnoringCase(text, "pubsub");
}

struct KillFilter {
  std::string peer;
  std::string local;
  bool by_peer = false;
  bool by_local = false;
  bool none = false;  // a type that no client here has
  uint64_t id = 0;
  bool skip_me = true;

  bool Matches(const Session& session, uint64_t caller) const {
    if (none || (skip_me && session.id == caller)) return false;
    if (by_peer && session.peer.ToString() != peer) return false;
    if (by_local && session.local.ToString() != local) return false;
    return id == 0 || session.id == id;
  }
};

bool ParseKillOption(CommandContext& ctx, Slice word, Slice value, KillFilter* filter) {
  if (EqualsIgnoringCase(word, "id")) {
    int64_t id = 0;
    if (!ParseInt64(value, &id) || id < 1) {
      ctx.reply.Err("client-id should be greater than 0");
      return false;
    }
    filter->id = static_cast<uint64_t>(id);
  } else if (EqualsIgnoringCase(word, "type")) {
    bool normal = false;
    if (!ParseClientType(value, &normal)) {
      ctx.reply.Err(kUnknownUserType + std::string(CString(value)) + "'");
      return false;
    }
    filter->none = !normal;
  } else if (EqualsIgnoringCase(word, "addr")) {
    filter->peer = value;
    filter->by_peer = true;
  } else if (EqualsIgnoringCase(word, "laddr")) {
    filter->local = value;
    filter->by_local = true;
  } else if (EqualsIgnoringCase(word, "user")) {
    if (value != "default") {
      ctx.reply.Err("No such user '" + std::string(CString(value)) + "'");
      return false;
    }
  } else if (EqualsIgnoringCase(word, "skipme") && EqualsIgnoringCase(value, "yes")) {
    filter->skip_me = true;
  } else if (EqualsIgnoringCase(word, "skipme") && EqualsIgnoringCase(value, "no")) {
    filter->skip_me = false;
  } else {
    ctx.reply.Err(kSyntaxError);
    return false;
  }
  return true;
}

int64_t Kill(CommandContext& ctx, const KillFilter& filter) {
  std::vector<Session*> doomed;
  ctx.service.ForEachSession([&](Session& session) {
    if (filter.Matches(session, ctx.session.id)) doomed.push_back(&session);
  });
  for (Session* session : doomed) ctx.service.CloseSession(*session, ctx.session);
  return static_cast<int64_t>(doomed.size());
}

void ReplyHello(CommandContext& ctx) {
  ReplyWriter& reply = ctx.reply;
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");
  reply.Bulk("version");
  reply.Bulk(kCompatibleVersion);
  reply.Bulk("proto");
  reply.Integer(static_cast<int64_t>(ctx.session.protocol));
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(ctx.session.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
}

void SetProtocol(CommandContext& ctx, Protocol protocol) {
  ctx.session.protocol = protocol;
  ctx.reply.set_protocol(protocol);
}

}  // namespace

void Ping(CommandContext& ctx) {
  if (ctx.args.size() > 2) return ctx.ReplyArity();
  if (ctx.args.size() == 2) return ctx.reply.Bulk(ctx.arg(1));
  ctx.reply.Simple("PONG");
}

void Echo(CommandContext& ctx) { ctx.reply.Bulk(ctx.arg(1)); }

void Quit(CommandContext& ctx) {
  ctx.reply.Ok();
  ctx.session.close_after_reply = true;
}

void Reset(CommandContext& ctx) {
  SetProtocol(ctx, Protocol::kResp2);
  ctx.session.name.clear();
  ctx.session.no_evict = false;
  ctx.session.authenticated = ctx.service.settings().requirepass.empty();
  ctx.reply.Simple("RESET");
}

void Select(CommandContext& ctx) {
  int32_t db = 0;
  if (!ReadInt32(ctx, ctx.arg(1), &db)) return;
  if (db != 0) return ctx.reply.Err(kOutOfRangeDb);
  ctx.reply.Ok();
}

void Hello(CommandContext& ctx) {
  int64_t version = 0;
  if (ctx.args.size() >= 2) {
    if (!ParseInt64(ctx.arg(1), &version)) {
      return ctx.reply.Err("Protocol version is not an integer or out of range");
    }
    if (version < 2 || version > 3) return ctx.reply.Error("NOPROTO unsupported protocol version");
  }
  for (size_t i = 2; i < ctx.args.size(); ++i) {
    const size_t more = ctx.args.size() - 1 - i;
    if (EqualsIgnoringCase(ctx.arg(i), "auth") && more >= 2) {
      if (!Authenticate(ctx, ctx.arg(i + 1), ctx.arg(i + 2))) {
        return ctx.reply.Error(kWrongPassword);
      }
      i += 2;
    } else if (EqualsIgnoringCase(ctx.arg(i), "setname") && more >= 1) {
      if (!SetName(ctx, ctx.arg(++i))) return;
    } else {
      return ctx.reply.Err("Syntax error in HELLO option '" + std::string(CString(ctx.arg(i))) +
                           "'");
    }
  }
  if (!ctx.session.authenticated) {
    return ctx.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time");
  }
  if (version != 0) SetProtocol(ctx, version == 3 ? Protocol::kResp3 : Protocol::kResp2);
  ReplyHello(ctx);
}

void Auth(CommandContext& ctx) {
  if (ctx.args.size() > 3) return ctx.reply.Err(kSyntaxError);
  const bool named = ctx.args.size() == 3;
  if (!named && ctx.service.settings().requirepass.empty()) {
    return ctx.reply.Err(
        "AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const Slice user = named ? ctx.arg(1) : Slice("default");
  if (!Authenticate(ctx, user, ctx.args.back())) return ctx.reply.Error(kWrongPassword);
  ctx.reply.Ok();
}

void ClientId(CommandContext& ctx) { ctx.reply.Integer(static_cast<int64_t>(ctx.session.id)); }

void ClientGetName(CommandContext& ctx) {
  if (ctx.session.name.empty()) return ctx.reply.Null();
  ctx.reply.Bulk(ctx.session.name);
}

void ClientSetName(CommandContext& ctx) {
  if (SetName(ctx, ctx.arg(2))) ctx.reply.Ok();
}

// Of 7.2: clients send it on connecting, and refusing it would gain nothing.
void ClientSetInfo(CommandContext& ctx) {
  const Slice attribute = ctx.arg(2);
  const bool name = EqualsIgnoringCase(attribute, "lib-name");
  if (!name && !EqualsIgnoringCase(attribute, "lib-ver")) {
    return ctx.reply.Err("Unrecognized option '" + std::string(CString(attribute)) + "'");
  }
  if (!IsPrintable(ctx.arg(3))) {
    return ctx.reply.Err(ToLower(attribute) +
                         " cannot contain spaces, newlines or special characters.");
  }
  (name ? ctx.session.library_name : ctx.session.library_version) = ctx.arg(3);
  ctx.reply.Ok();
}

void ClientInfo(CommandContext& ctx) {
  ctx.reply.Verbatim(Describe(ctx.session, ctx.service.clock()->NowMicros()));
}

void ClientList(CommandContext& ctx) {
  const uint64_t now = ctx.service.clock()->NowMicros();
  std::string text;
  bool none = false;
  if (ctx.args.size() == 4 && EqualsIgnoringCase(ctx.arg(2), "type")) {
    bool normal = false;
    if (!ParseClientType(ctx.arg(3), &normal)) {
      return ctx.reply.Err(kUnknownUserType + std::string(CString(ctx.arg(3))) + "'");
    }
    none = !normal;
  } else if (ctx.args.size() > 3 && EqualsIgnoringCase(ctx.arg(2), "id")) {
    for (const Slice word : ctx.args.subspan(3)) {
      int64_t id = 0;
      if (!ParseInt64(word, &id)) return ctx.reply.Err("Invalid client ID");
      ctx.service.ForEachSession([&](Session& session) {
        if (session.id == static_cast<uint64_t>(id)) text += Describe(session, now);
      });
    }
    return ctx.reply.Verbatim(text);
  } else if (ctx.args.size() != 2) {
    return ctx.reply.Err(kSyntaxError);
  }
  if (!none) {
    ctx.service.ForEachSession([&](Session& session) { text += Describe(session, now); });
  }
  ctx.reply.Verbatim(text);
}

void ClientKill(CommandContext& ctx) {
  KillFilter filter;
  if (ctx.args.size() == 3) {  // the old form: CLIENT KILL <ip:port>
    filter.peer = ctx.arg(2);
    filter.by_peer = true;
    filter.skip_me = false;
    if (Kill(ctx, filter) == 0) return ctx.reply.Err("No such client");
    return ctx.reply.Ok();
  }
  for (size_t i = 2; i < ctx.args.size(); i += 2) {
    if (i + 1 == ctx.args.size()) return ctx.reply.Err(kSyntaxError);
    if (!ParseKillOption(ctx, ctx.arg(i), ctx.arg(i + 1), &filter)) return;
  }
  ctx.reply.Integer(Kill(ctx, filter));
}

void ClientNoEvict(CommandContext& ctx) {
  const bool on = EqualsIgnoringCase(ctx.arg(2), "on");
  if (!on && !EqualsIgnoringCase(ctx.arg(2), "off")) return ctx.reply.Err(kSyntaxError);
  ctx.session.no_evict = on;
  ctx.reply.Ok();
}

}  // namespace nokv::redis::commands
