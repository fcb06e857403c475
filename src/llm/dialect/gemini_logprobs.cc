#include "gemini.h"

namespace loom::llm::gemini {

namespace {

struct Token {
    Text text;
    Json logprob;
};
using TokenList = ArenaList<Token>;
/// One step's candidates, best first.
struct Step {
    TokenList tokens;
};

struct Names {
    std::string_view token;
    std::string_view logprob;
};
constexpr Names google_names = {"token", "logProbability"};
constexpr Names openai_names = {"token", "logprob"};

bool read_token(Cursor& cursor, Names names, Token& token) {
    return each_field(cursor, [&](const FieldName& field) {
        if (field == names.token) return take_text(cursor, token.text);
        return field == names.logprob ? take_number(cursor, token.logprob) : cursor.skip_value();
    });
}

bool read_tokens(Cursor& cursor, Names names, Arena& arena, TokenList& tokens) {
    return each_item(cursor, [&] {
        Token token;
        if (!read_token(cursor, names, token)) return false;
        tokens.add(arena, token);
        return true;
    });
}

/// logProbability is left out where it is 0, proto's default: the token was certain.
std::string_view logprob_of(const Token& token) noexcept { return has(token.logprob) ? token.logprob : "0"; }

void append_openai(const Token& token, ArenaText& out) {
    out.append(R"({"token":")").append(has(token.text) ? token.text : "");
    out.append(R"(","logprob":)").append(logprob_of(token)).append(R"(,"bytes":null)");
}

Json openai_shape(const TokenList& chosen, const ArenaList<Step>& steps, Arena& arena) {
    ArenaText out(arena, 1024);
    out.append(R"({"content":[)");
    auto step = steps.begin();
    bool first = true;
    for (const Token& token : chosen) {
        out.append(first ? "" : ",");
        first = false;
        append_openai(token, out);
        out.append(R"(,"top_logprobs":[)");
        bool first_top = true;
        if (step != steps.end()) {
            for (const Token& top : step->tokens) {
                out.append(first_top ? "" : ",");
                first_top = false;
                append_openai(top, out);
                out.append("}");
            }
            ++step;
        }
        out.append("]}");
    }
    return out.append(R"(],"refusal":null})").view();
}

/// One element of OpenAI's `content`.
bool read_openai_step(Cursor& cursor, Arena& arena, Token& token, Step& step) {
    return each_field(cursor, [&](const FieldName& field) {
        if (field == openai_names.token) return take_text(cursor, token.text);
        if (field == openai_names.logprob) return take_number(cursor, token.logprob);
        if (field == "topLogprobs") return read_tokens(cursor, openai_names, arena, step.tokens);
        return cursor.skip_value();
    });
}

void write_token(const Token& token, JsonOut& json) {
    json.open_object();
    json.member("token", token.text);
    json.member_json("logProbability", logprob_of(token));
    json.close_object();
}

void write_google(const TokenList& chosen, const ArenaList<Step>& steps, JsonOut& json) {
    json.key("logprobsResult");
    json.open_object();
    json.key("topCandidates");
    json.open_array();
    for (const Step& step : steps) {
        json.open_object();
        json.key("candidates");
        json.open_array();
        for (const Token& token : step.tokens) write_token(token, json);
        json.close_array();
        json.close_object();
    }
    json.close_array();
    json.key("chosenCandidates");
    json.open_array();
    for (const Token& token : chosen) write_token(token, json);
    json.close_array();
    json.close_object();
}

}  // namespace

bool read_logprobs(Cursor& cursor, Context& context, Json& logprobs) {
    TokenList chosen;
    ArenaList<Step> steps;
    const bool good = each_field(cursor, [&](const FieldName& field) {
        if (field == "chosenCandidates") return read_tokens(cursor, google_names, context.arena, chosen);
        if (field != "topCandidates") return cursor.skip_value();
        return each_item(cursor, [&] {
            Step& step = steps.add(context.arena);
            return each_field(cursor, [&](const FieldName& inner) {
                if (inner != "candidates") return cursor.skip_value();
                return read_tokens(cursor, google_names, context.arena, step.tokens);
            });
        });
    });
    if (good && !chosen.empty()) logprobs = openai_shape(chosen, steps, context.arena);
    return good;
}

void write_logprobs(Json logprobs, Context& context, JsonOut& json) {
    Tokens tokens;
    Fault fault;
    if (!context.nested.index(logprobs, Structure::Utf8::passed, tokens, fault)) return;
    Cursor cursor(logprobs, tokens);
    TokenList chosen;
    ArenaList<Step> steps;
    const bool good = each_field(cursor, [&](const FieldName& field) {
        if (field != "content") return cursor.skip_value();
        return each_item(cursor, [&] {
            Token token;
            Step step;
            if (!read_openai_step(cursor, context.arena, token, step)) return false;
            chosen.add(context.arena, token);
            steps.add(context.arena, step);
            return true;
        });
    });
    if (good && !chosen.empty()) write_google(chosen, steps, json);
}

}  // namespace loom::llm::gemini
