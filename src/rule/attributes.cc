// The one table of what rules may ask about.
#include <array>

#include "loom/rule/facts.h"

namespace loom::rule {
namespace {

using enum Attribute;

constexpr std::array<AttributeRow, attribute_count> rows = {{
    {model, "model", Type::text, false, "the model's name, as the client says it", ""},
    {tags, "tags", Type::list, false, "the model's (model_tag.MODEL), by all names that it has here and at providers",
     "tag"},
    {endpoint, "endpoint", Type::text, false, "chat_completions, messages, embeddings …", ""},
    {Attribute::route, "route", Type::text, false, "the name of the route that the path belongs to", ""},
    {path, "path", Type::text, false, "of the request, without its query", ""},
    {method, "method", Type::text, false, "GET, POST …", ""},
    {header, "header", Type::loose, true, "of the request; one that came twice is unknown", ""},
    {query, "query", Type::loose, true, "a parameter of the path's query, decoded", ""},
    {ip, "ip", Type::address, false, "the client's address", ""},
    {consumer, "consumer", Type::text, false, "the name of whoever asks", ""},
    {tenant, "tenant", Type::text, false, "the consumer's", ""},
    {team, "team", Type::text, false, "the consumer's", ""},
    {project, "project", Type::text, false, "the consumer's", ""},
    {tier, "tier", Type::text, false, "the consumer's", ""},
    {roles, "roles", Type::list, false, "the consumer's, and those of its token", "role"},
    {claim, "claim", Type::any, true, "of the consumer (consumer.NAME.metadata.KEY), else of its token, verified", ""},
    {user, "user", Type::text, false, "whom the request names as its user", ""},
    {region, "region", Type::text, false, "where the request is to be answered", ""},
    {stream, "stream", Type::flag, false, "the answer is asked for as a stream", ""},
    {tools, "tools", Type::flag, false, "the request offers tools", ""},
    {vision, "vision", Type::flag, false, "the prompt has images", "images"},
    {json_schema, "json_schema", Type::flag, false, "the answer has to follow a schema", ""},
    {messages, "messages", Type::number, false, "how many the prompt has", ""},
    {prompt_tokens, "prompt_tokens", Type::number, false, "of the prompt, estimated", "tokens"},
    {max_tokens, "max_tokens", Type::number, false, "asked for at most; missing where the request does not say", ""},
    {task, "task", Type::text, false, "what is asked for, estimated", ""},
    {complexity, "complexity", Type::number, false, "how hard the prompt is, estimated, from 0 to 1", ""},
    {Attribute::time, "time", Type::clock, false, "of day, in UTC", ""},
    {weekday, "weekday", Type::text, false, "mon … sun, in UTC", ""},
}};

consteval bool in_order() {
    for (size_t i = 0; i < rows.size(); ++i)
        if (rows[i].attribute != static_cast<Attribute>(i)) return false;
    return true;
}
static_assert(in_order(), "a row is found by its attribute");

}  // namespace

std::span<const AttributeRow, attribute_count> attributes() noexcept { return rows; }

}  // namespace loom::rule
