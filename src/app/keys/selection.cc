// Rows of the keys that narrow who may be asked: rules, what a prompt is like, what a model can do, and regions.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr const char* capabilities = "tools|vision|audio|json_schema";
constexpr const char* lengths = "0..1000000000";

constexpr KeyRow rows[] = {
    {.pattern = "routing.rule.<name>.when",
     .type = text,
     .meaning =
         "which requests are meant, such as header.x-team == \"legal\" && tokens > 8000. It may ask for model, "
         "endpoint, route, path, method, header.NAME, query.NAME, ip, consumer, tenant, team, project, tier, "
         "user, region, stream, tools, vision, json_schema, messages, prompt_tokens, max_tokens, task, "
         "complexity, tags, time, weekday. Of the rules that hold the first counts, in the file's order, and for "
         "failover too. A route with a provider of its own knows no rules"},
    {.pattern = "routing.rule.<name>.use",
     .type = list,
     .meaning = "the providers that such requests may go to, and no others, the fallback provider neither; where the "
                "strategy is priority, in this order"},
    {.pattern = "model_tag.<model>",
     .type = list,
     .meaning =
         "what this model is called in rules (\"restricted\" in tags), words of your own choice; a trailing * of "
         "the model's name stands for any ending, and ASCII's capitals are no difference. A model has the tags of "
         "the name that was asked for, of the one that it has here, and of the one that it has at its provider"},
    {.pattern = "routing.complexity.threshold",
     .type = share,
     .default_text = "0.4",
     .meaning = "how hard a prompt is, estimated from 0 to 1, from which on it is one for the large model (strategy "
                "complexity)",
     .range = "0..1"},
    {.pattern = "routing.complexity.small",
     .type = text,
     .meaning = "the model for prompts below the threshold, in place of the client's; or a provider, which is then "
                "asked first for the client's. Unset: as priority. A model that the consumer may not use is not taken"},
    {.pattern = "routing.complexity.large", .type = text, .meaning = "the same for the others"},
    {.pattern = "routing.task.<name>",
     .type = text,
     .meaning = "the model (or the provider that is asked first) for prompts of this task: chat, code, summary, "
                "translation, creative, extraction, maths or image (strategy task). Tasks without one are chat's"},
    {.pattern = "provider.<name>.capabilities",
     .type = list,
     .meaning = "what its models can do; requests that need more are not sent there, and 400 where nobody is left. "
                "Unset: all of it",
     .choices = capabilities},
    {.pattern = "provider.<name>.context_length",
     .type = integer,
     .meaning = "tokens of prompt and answer that its models take; requests estimated to be longer go to others, where "
                "there are such. Unset: any number",
     .range = lengths},
    {.pattern = "provider.<name>.model.<model>.capabilities",
     .type = list,
     .meaning = "of this model, by its name at the provider, a trailing * for any ending",
     .choices = capabilities},
    {.pattern = "provider.<name>.model.<model>.context_length",
     .type = integer,
     .meaning = "likewise",
     .range = lengths},
    {.pattern = "provider.<name>.region",
     .type = text,
     .meaning = "where it works on what it is sent, a name of your own choice such as eu or eu-west-1. The latter lies "
                "in eu too"},
    {.pattern = "routing.require_region",
     .type = list,
     .meaning = "requests of AI routes go to providers in one of these regions alone, whatever else is said, failover, "
                "stored files and sessions included; where there is none they are refused (403)"},
    {.pattern = "routing.prefer_region",
     .type = list,
     .meaning =
         "nearest, or regions: of a model's providers those of the first region that is named are asked before "
         "all others, then the second's, each by the strategy; nearest: those that connections reach soonest, as "
         "requests see it, half as long again and 5ms being no difference. The order of a rule or a task goes "
         "before it. Unset: wherever they are"},
    {.pattern = "route.<name>.require_region",
     .type = list,
     .meaning = "of this route, in place of routing.require_region"},
    {.pattern = "consumer.<name>.regions",
     .type = list,
     .meaning = "where its requests may be answered, beside what is required of all; unset: anywhere"},
};

}  // namespace

std::span<const KeyRow> selection_keys() { return rows; }

}  // namespace loom::app
