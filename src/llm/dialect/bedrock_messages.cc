// A conversation as Converse's messages: user and assistant in turn, each a list of blocks that are not empty.
#include <algorithm>

#include "bedrock.h"
#include "bedrock_media.h"
#include "loom/base/hash.h"

namespace loom::llm::bedrock {

namespace {

/// Claude refuses an answer to go on with that ends with white space.
Text without_trailing_blanks(Text text) noexcept {
    while (!text.empty()) {
        if (text.back() == ' ') {
            text.remove_suffix(1);
            continue;
        }
        size_t slashes = 0;
        while (slashes + 1 < text.size() && text[text.size() - 2 - slashes] == '\\') ++slashes;
        const bool is_blank_letter = text.back() == 'n' || text.back() == 't' || text.back() == 'r';
        if (!is_blank_letter || slashes % 2 == 0) break;
        text.remove_suffix(2);
    }
    return text;
}

class MessagesWriter {
  public:
    MessagesWriter(const ChatRequest& request, const Model& model, Context& context, JsonOut& out) noexcept
        : request_(request), model_(model), context_(context), out_(out), media_(model, context, out) {}

    Result<void> run(bool& system_moved);

  private:
    Result<void> write(const Message& message);
    Result<void> write_part(const Part& part, Role role);
    void write_text(const Part& part, Role role);
    void write_cited_text(Text text, const ArenaList<Json>& citations);
    void write_thinking(const Part& part, Role role);
    void write_call(const Part& call);
    Result<void> write_result(const Part& result);
    Result<void> write_result_content(const Part& part);
    Result<void> move_system();

    void begin_block(Role role);
    void end_block() { out_.close_object(); }
    void close_message();
    Result<void> refuse(const char* what) {
        context_.error_param = "messages";
        return fail(Errc::unsupported, Side::downstream, what);
    }

    const ChatRequest& request_;
    const Model& model_;
    Context& context_;
    JsonOut& out_;
    const Part* prefill_ = nullptr;  // the text that ends the conversation, an assistant's, to be gone on with
    Role open_role_ = Role::system;  // of the message being written; system: none is
    uint32_t message_count_ = 0;
    MediaWriter media_;
    bool has_text_ = false;      // in the message being written …
    std::string_view document_;  // … the last document's name
};

Result<void> MessagesWriter::run(bool& system_moved) {
    out_.key("messages");
    out_.open_array();
    if (!request_.messages.empty() && model_.family == Model::Family::claude) {
        const Message& last = request_.messages.back();
        if (last.role == Role::assistant && !last.parts.empty()) prefill_ = &last.parts.back();
    }
    for (const Message& message : request_.messages) LOOM_TRY(write(message));
    if (message_count_ == 0) {
        LOOM_TRY(move_system());
        system_moved = true;
    }
    close_message();
    out_.close_array();
    return {};
}

/// Converse wants a user's message; a conversation of instructions alone has its instructions there.
Result<void> MessagesWriter::move_system() {
    for (const Message& message : request_.messages) {
        if (message.role != Role::system && message.role != Role::developer) continue;
        for (const Part& part : message.parts) LOOM_TRY(write_part(part, Role::user));
    }
    if (message_count_ == 0) return refuse("Bedrock takes no conversation without a text");
    context_.losses.add("messages[].role");
    return {};
}

Result<void> MessagesWriter::write(const Message& message) {
    if (has(message.name)) context_.losses.add("messages[].name");
    if (message.role == Role::system || message.role == Role::developer) return {};
    const Role role = message.role == Role::assistant ? Role::assistant : Role::user;
    for (const Part& part : message.parts) LOOM_TRY(write_part(part, role));
    return {};
}

/// Blocks of one role follow each other in one message, whichever messages they come from.
void MessagesWriter::begin_block(Role role) {
    if (open_role_ != role) {
        close_message();
        if (message_count_ == 0 && role == Role::assistant) {
            // Converse refuses a conversation that the assistant begins.
            out_.json(R"({"role":"user","content":[{"text":"Continue."}]})");
            context_.losses.add("messages[0].role");
            message_count_ += 1;
        }
        out_.open_object();
        out_.member("role", role == Role::assistant ? "assistant" : "user");
        out_.key("content");
        out_.open_array();
        open_role_ = role;
        message_count_ += 1;
    }
    out_.open_object();
}

void MessagesWriter::close_message() {
    if (open_role_ == Role::system) return;
    if (!document_.empty() && !has_text_) {
        // A document without a text beside it is refused. Its name is the one text that says nothing new.
        out_.open_object();
        out_.member_string("text", document_);
        out_.close_object();
    }
    out_.close_array();
    out_.close_object();
    open_role_ = Role::system;
    has_text_ = false;
    document_ = {};
}

Result<void> MessagesWriter::write_part(const Part& part, Role role) {
    const bool is_call = part.kind == Part::Kind::tool_call;
    if ((is_call || part.kind == Part::Kind::text) && has(part.signature)) context_.losses.add("thought_signature");
    switch (part.kind) {
        case Part::Kind::text:
        case Part::Kind::refusal: write_text(part, role); break;
        case Part::Kind::thinking:
        case Part::Kind::redacted_thinking: write_thinking(part, role); break;
        case Part::Kind::tool_call:
            begin_block(role);
            write_call(part);
            end_block();
            break;
        case Part::Kind::tool_result:
            begin_block(role);
            LOOM_TRY(write_result(part));
            end_block();
            break;
        case Part::Kind::image:
        case Part::Kind::file:
        case Part::Kind::video:
        case Part::Kind::audio:
            begin_block(role);
            LOOM_TRY(media_.write(part));
            end_block();
            if (part.kind == Part::Kind::file) document_ = media_.last_document_name();
            break;
    }
    if (has(part.cache_control) && open_role_ == role) write_cache_point(part.cache_control, model_, context_, out_);
    return {};
}

/// A blank text is refused by Converse, and says nothing.
void MessagesWriter::write_text(const Part& part, Role role) {
    if (part.thought) return context_.losses.add("reasoning_content");
    const Text text = &part == prefill_ ? without_trailing_blanks(part.text) : part.text;
    if (is_blank(text)) return;
    const uint32_t document_count = role == Role::assistant ? media_.cited_document_count() : 0;
    const ArenaList<Json> citations = citations_of(part.citations, document_count, context_);
    begin_block(role);
    if (citations.empty()) {
        out_.member("text", text);
    } else {
        write_cited_text(text, citations);
    }
    end_block();
    has_text_ = true;
}

void MessagesWriter::write_cited_text(Text text, const ArenaList<Json>& citations) {
    out_.key("citationsContent");
    out_.open_object();
    out_.key("content");
    out_.open_array();
    out_.open_object();
    out_.member("text", text);
    out_.close_object();
    out_.close_array();
    out_.key("citations");
    out_.open_array();
    for (const Json citation : citations) out_.json(citation);
    out_.close_array();
    out_.close_object();
}

/// Only the model's own signature makes thinking welcome: without it a request is refused, or the text taken for said.
void MessagesWriter::write_thinking(const Part& part, Role role) {
    const bool redacted = part.kind == Part::Kind::redacted_thinking;
    if (!redacted && part.signature.empty()) return context_.losses.add("reasoning_content");
    begin_block(role);
    out_.key("reasoningContent");
    out_.open_object();
    if (redacted) {
        out_.member("redactedContent", part.text);
    } else {
        out_.key("reasoningText");
        out_.open_object();
        out_.member("text", has(part.text) ? part.text : Text(""));
        out_.member("signature", part.signature);
        out_.close_object();
    }
    out_.close_object();
    end_block();
}

void MessagesWriter::write_call(const Part& call) {
    out_.key("toolUse");
    out_.open_object();
    out_.member("toolUseId", tool_id(call.tool_id, model_, context_));
    out_.member("name", tool_name(call.tool_name, context_));
    out_.member_json("input", arguments_object(call, context_));
    out_.close_object();
}

Result<void> MessagesWriter::write_result(const Part& result) {
    const bool tells_status = model_.family == Model::Family::claude || model_.family == Model::Family::nova;
    out_.key("toolResult");
    out_.open_object();
    out_.member("toolUseId", tool_id(result.tool_id, model_, context_));
    out_.key("content");
    out_.open_array();
    bool is_empty = true;
    if (has(result.result_json)) {
        out_.open_object();
        if (result.result_json.starts_with('{')) {
            out_.member_json("json", result.result_json);
        } else {
            out_.member_string("text", result.result_json);
        }
        out_.close_object();
        is_empty = false;
    }
    for (const Part& part : result.content) {
        const bool is_text = part.kind == Part::Kind::text || part.kind == Part::Kind::refusal;
        if (is_text && is_blank(part.text)) continue;
        LOOM_TRY(write_result_content(part));
        is_empty = false;
    }
    if (is_empty) out_.json(R"({"text":"no output"})");  // neither no block nor a blank one is taken
    out_.close_array();
    if (result.is_error && tells_status) out_.member("status", "error");
    if (result.is_error && !tells_status) context_.losses.add("tool_result.is_error");
    out_.close_object();
    return {};
}

Result<void> MessagesWriter::write_result_content(const Part& part) {
    if (has(part.cache_control)) context_.losses.add("cache_control");
    out_.open_object();
    switch (part.kind) {
        case Part::Kind::text:
        case Part::Kind::refusal: out_.member("text", part.text); break;
        case Part::Kind::image:
        case Part::Kind::file:
        case Part::Kind::video:
            LOOM_TRY(media_.write(part));
            if (part.kind == Part::Kind::file) document_ = media_.last_document_name();
            break;
        default: return refuse("Bedrock takes texts, images, files and videos as a tool's result");
    }
    out_.close_object();
    return {};
}

/// Mistral's models want ids of nine letters and digits.
Text nine_letters(Text id, Arena& arena) {
    constexpr size_t wanted = 9;
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    const bool fits = id.size() == wanted && std::ranges::all_of(id, [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                      });
    if (fits) return id;
    char* const room = arena.take(wanted);
    uint64_t hash = hash64(id);
    for (size_t i = 0; i < wanted; ++i, hash /= digits.size()) room[i] = digits[hash % digits.size()];
    return {room, wanted};
}

}  // namespace

Text tool_name(Text name, Context& context) { return context.aliases.alias_of(name, {}); }

Text tool_id(Text id, const Model& model, Context& context) {
    if (model.family == Model::Family::mistral) return nine_letters(id, context.arena);
    return context.aliases.alias_of(id, {});
}

void write_cache_point(Json cache_control, const Model& model, Context& context, JsonOut& out) {
    if (!model.caches) return context.losses.add("cache_control");
    const bool for_an_hour = cache_control.find(R"("1h")") != cache_control.npos;
    const bool tells_ttl = for_an_hour && model.family == Model::Family::claude;
    if (for_an_hour && !tells_ttl) context.losses.add("cache_control.ttl");
    out.json(tells_ttl ? R"({"cachePoint":{"type":"default","ttl":"1h"}})" : R"({"cachePoint":{"type":"default"}})");
}

Result<void> write_messages(const ChatRequest& request, const Model& model, Context& context, JsonOut& out,
                            bool& system_moved) {
    return MessagesWriter(request, model, context, out).run(system_moved);
}

}  // namespace loom::llm::bedrock
