#include "loom/store/lease_script.h"

#include <fmt/format.h>

#include "redis_words.h"

namespace loom::store {
namespace {

// ARGV: the Loom's id; for each key limit, floor, want and ttl_ms. Numbers up to 2^52 are exact in Lua, and sums of
// them are cut to what is exact still.
constexpr std::string_view text = R"(local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local me = ARGV[1]
local out = {}
for i, key in ipairs(KEYS) do
  local at = 4 * i - 2
  local limit, floor = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local want, ttl = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local others, looms, last = 0, 1, now + ttl
  local all = redis.call('HGETALL', key)
  for j = 1, #all, 2 do
    if all[j] ~= me then
      local units, dies = string.match(all[j + 1], '^(%d+) (%d+)$')
      units, dies = tonumber(units), tonumber(dies)
      if not dies or dies <= now then
        redis.call('HDEL', key, all[j])
      else
        others = math.min(others + units, 2 ^ 53)
        looms = looms + 1
        last = math.max(last, dies)
      end
    end
  end
  local granted = math.max(floor, math.min(want, limit - others))
  if want == 0 then
    redis.call('HDEL', key, me)
  else
    redis.call('HSET', key, me, string.format('%.0f %.0f', granted, now + ttl))
  end
  redis.call('PEXPIRE', key, string.format('%.0f', last - now))
  out[#out + 1] = granted
  out[#out + 1] = others
  out[#out + 1] = looms
end
return out)";

constexpr size_t answers_per_draw = 3;

}  // namespace

const RedisScript& lease_script() {
    static const RedisScript script = make_redis_script(text);
    return script;
}

std::string lease_command(std::string_view prefix, std::string_view loom, std::span<const tenant::LeaseDraw> draws,
                          bool with_script) {
    std::vector<std::string> keys, arguments;
    keys.reserve(draws.size());
    arguments.reserve(1 + 4 * draws.size());
    arguments.emplace_back(loom);
    for (const tenant::LeaseDraw& draw : draws) {
        keys.push_back(redis_key(prefix, fmt::format("lease:{}", draw.key)));
        for (const uint64_t number : {draw.limit, draw.floor, draw.want, draw.ttl_ms})
            arguments.push_back(fmt::format_int(number).str());
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
    }
    return grants;
}

}  // namespace loom::store
