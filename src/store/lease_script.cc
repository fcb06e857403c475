#include "loom/store/lease_script.h"

#include <fmt/format.h>

#include "redis_words.h"

namespace loom::store {
namespace {

// KEYS[1] is when this server's run was first asked, and its id; KEYS[2] and on are limits. ARGV: a Loom's id, so long
// a store is not settled; for each limit its number, floor, want, ttl_ms, what follows the id in its field, start and
// sequence. A field is "units dies start sequence". Numbers up to 2^52 are exact in Lua, and sums of them are cut to
// what is exact still. No lease lives longer than 400 days: what a field says beyond that no Loom has written, and
// PEXPIRE would refuse it in the middle of a batch.
constexpr std::string_view text = R"(local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local since, of_run = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) ?(%w*)$')
local born = tonumber(since)
if not born or born > now or of_run ~= run then
  born = now
  redis.call('SET', KEYS[1], string.format('%.0f %s', born, run))
end
local settled = 0
if now - born >= tonumber(ARGV[2]) then settled = 1 end
local out = {}
for i = 2, #KEYS do
  local key = KEYS[i]
  local at = 7 * i - 11
  local limit, floor = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local want, ttl = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local me, start, sequence = ARGV[1] .. ARGV[at + 4], ARGV[at + 5], tonumber(ARGV[at + 6])
  local others, looms, last, known = 0, 1, now + ttl, nil
  local all = redis.call('HGETALL', key)
  for j = 1, #all, 2 do
    local units, dies, of, which = string.match(all[j + 1], '^(%d+) (%d+) (%d+) (%d+)$')
    units, dies = tonumber(units), tonumber(dies)
    if dies then dies = math.min(dies, now + 34560000000) end
    if not dies or dies <= now then
      redis.call('HDEL', key, all[j])
    elseif all[j] ~= me then
      others = math.min(others + units, 2 ^ 53)
      looms = looms + 1
      last = math.max(last, dies)
    elseif sequence > 0 and of == start and tonumber(which) >= sequence then
      known = units
      last = math.max(last, dies)
    end
  end
  local granted = known or math.max(floor, math.min(want, limit - others))
  if not known and want == 0 then
    redis.call('HDEL', key, me)
  elseif not known then
    redis.call('HSET', key, me, string.format('%.0f %.0f %s %.0f', granted, now + ttl, start, sequence))
  end
  redis.call('PEXPIRE', key, string.format('%.0f', last - now))
  out[#out + 1] = granted
  out[#out + 1] = others
  out[#out + 1] = looms
  out[#out + 1] = settled
end
return out)";

constexpr size_t answers_per_draw = 4;

}  // namespace

const RedisScript& lease_script() {
    static const RedisScript script = make_redis_script(text);
    return script;
}

std::string lease_command(std::string_view prefix, std::string_view loom, std::span<const tenant::LeaseDraw> draws,
                          bool with_script) {
    std::vector<std::string> keys, arguments;
    keys.reserve(1 + draws.size());
    arguments.reserve(2 + 7 * draws.size());
    keys.push_back(redis_key(prefix, "leases:since"));
    arguments.emplace_back(loom);
    arguments.push_back(fmt::format_int(tenant::lease_settle_ms).str());
    for (const tenant::LeaseDraw& draw : draws) {
        keys.push_back(redis_key(prefix, fmt::format("lease:{}", draw.key)));
        for (const uint64_t number : {draw.limit, draw.floor, draw.want, draw.ttl_ms})
            arguments.push_back(fmt::format_int(number).str());
        arguments.push_back(draw.of_start ? fmt::format(":{}", draw.start) : std::string());
        arguments.push_back(fmt::format_int(draw.start).str());
        arguments.push_back(fmt::format_int(draw.sequence).str());
    }
    return script_command(lease_script(), keys, arguments, with_script);
}

Result<std::vector<tenant::LeaseGrant>> read_lease_grants(const RedisReply& reply, size_t draw_count) {
    const auto bad = [] { return fail(Errc::bad_message, Side::upstream, "the answer to a draw is none"); };
    if (reply.type != RedisReply::Type::array || reply.items.size() != answers_per_draw * draw_count) return bad();
    for (const RedisReply& item : reply.items)
        if (item.type != RedisReply::Type::integer || item.integer < 0) return bad();
    std::vector<tenant::LeaseGrant> grants(draw_count);
    const RedisReply* item = reply.items.data();
    for (tenant::LeaseGrant& grant : grants) {
        grant.granted = static_cast<uint64_t>((item++)->integer);
        grant.others = static_cast<uint64_t>((item++)->integer);
        grant.looms = static_cast<uint32_t>(std::min<int64_t>((item++)->integer, UINT32_MAX));
        grant.settled = (item++)->integer != 0;
    }
    return grants;
}

}  // namespace loom::store
