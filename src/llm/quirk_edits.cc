#include "loom/llm/quirk_edits.h"

#include <algorithm>
#include <array>

#include "dialect/arena_text.h"
#include "dialect/context.h"
#include "splicer.h"
#include "translation_state.h"

namespace loom::llm {

namespace {

constexpr size_t kept_block_bytes = 512;
constexpr size_t call_block_bytes = 2048;
constexpr std::string_view between_texts = R"(\n\n)";

bool is_system(std::string_view role) noexcept { return role == "system" || role == "developer"; }

/// One message as far as it decides what happens to it.
struct MessageFacts {
    std::string_view role;
    bool has_content = false;
    bool only_texts = false;  // its content is a list of nothing else
};

class Editor {
  public:
    Editor(std::string_view body, Tokens tokens, const Quirks& quirks, bool is_chat, Arena& arena, Losses& losses,
           ByteBuffer& out) noexcept
        : body_(body),
          cursor_(body, tokens),
          quirks_(quirks),
          is_chat_(is_chat),
          arena_(arena),
          losses_(losses),
          splicer_(body, out) {}

    /// False: the document is broken.
    bool run() {
        if (!look_ahead()) return false;
        return edit_members(cursor_, [this](std::string_view name, Range key,
                                            bool& cut) { return edit_member(name, key, cut); }) &&
               cursor_.at_end();
    }
    [[nodiscard]] bool finish() { return splicer_.finish(); }

  private:
    /// on_member(name, key, cut) consumes the value, and may have the whole member cut.
    template <class OnMember>
    bool edit_members(Cursor& cursor, OnMember&& on_member) {
        ListCutter cutter(cursor, splicer_);
        return cursor.each_member([&](Range key) {
            bool cut = false;
            if (!on_member(name_of(cursor, key), key, cut)) return false;
            cut ? cutter.cut(key.offset) : cutter.keep();
            return true;
        });
    }

    // What has to be known before the first byte is written.

    bool look_ahead() {
        Cursor look = cursor_;
        return look.each_member([&](Range key) {
            const std::string_view name = name_of(look, key);
            if (name == "max_completion_tokens") says_max_completion_tokens_ = !look.is_null();
            if (name == "response_format" && quirks_.no_json_schema && look.peek() == '{') return find_schema(look);
            if (name == "messages" && is_chat_ && quirks_.no_system_in_messages && look.peek() == '[')
                return gather_system(look);
            return look.skip_value();
        });
    }
    bool find_schema(Cursor& look) {
        return look.each_member([&](Range key) {
            if (name_of(look, key) != "json_schema" || look.peek() != '{') return look.skip_value();
            return look.each_member([&](Range inner) {
                Range range;
                const bool is_schema = name_of(look, inner) == "schema" && look.peek() == '{';
                if (!look.skip_value(range)) return false;
                if (is_schema) schema_ = text_of(body_, range);
                return true;
            });
        });
    }
    bool gather_system(Cursor& look) {
        return look.each_element([&] {
            MessageFacts facts;
            if (look.peek() != '{' || !read_facts(look, facts)) return look.skip_value();
            has_user_ |= facts.role == "user" && facts.has_content;
            if (!is_system(facts.role)) return look.skip_value();
            return look.each_member([&](Range key) {
                return name_of(look, key) == "content" ? gather_texts(look, system_texts_) : look.skip_value();
            });
        });
    }
    /// The texts of a content, whatever its form.
    bool gather_texts(Cursor& look, ArenaList<std::string_view>& texts) {
        if (look.peek() == '"') {
            texts.add(arena_, inside(body_, look.take_string()));
            return true;
        }
        if (look.peek() != '[') return look.skip_value();
        return look.each_element([&] {
            if (look.peek() != '{') return look.skip_value();
            return look.each_member([&](Range key) {
                if (name_of(look, key) != "text" || look.peek() != '"') return look.skip_value();
                texts.add(arena_, inside(body_, look.take_string()));
                return true;
            });
        });
    }
    bool read_facts(Cursor look, MessageFacts& facts) {
        return look.each_member([&](Range key) {
            const std::string_view name = name_of(look, key);
            if (name == "role" && look.peek() == '"') {
                facts.role = inside(body_, look.take_string());
                return true;
            }
            facts.has_content |= name == "content";
            if (name != "content" || look.peek() != '[') return look.skip_value();
            facts.only_texts = true;
            return look.each_element([&] {
                if (look.peek() != '{') return look.skip_value();
                bool is_text = false;
                const bool good = look.each_member([&](Range inner) {
                    if (name_of(look, inner) != "type" || look.peek() != '"') return look.skip_value();
                    is_text = inside(body_, look.take_string()) == "text";
                    return true;
                });
                facts.only_texts &= is_text;
                return good;
            });
        });
    }

    // The members of the request.

    bool edit_member(std::string_view name, Range key, bool& cut) {
        if (name == "messages" && is_chat_ && cursor_.peek() == '[') return edit_messages();
        if (name == "max_completion_tokens" && quirks_.max_tokens_only) {
            cut = cursor_.is_null();
            if (!cut) splicer_.replace(key, R"("max_tokens")");
            return cursor_.skip_value();
        }
        if (name == "seed" && !quirks_.no_seed && quirks_.seed_is_random_seed) {
            splicer_.replace(key, R"("random_seed")");
            return cursor_.skip_value();
        }
        if (name == "response_format" && has(schema_)) return replace_value(R"({"type":"json_object"})");
        if (name == "tool_choice" && quirks_.no_tool_choice_required && text_here() == "required")
            return replace_value(R"("any")");
        cut = is_refused(name);
        if (!cut) return cursor_.skip_value();
        Range range;
        if (!cursor_.skip_value(range)) return false;
        if (matters(name, text_of(body_, range))) losses_.add(name);
        return true;
    }
    bool is_refused(std::string_view name) const noexcept {
        if (name == "stream_options") return quirks_.no_stream_options;
        if (name == "max_tokens") return quirks_.max_tokens_only && says_max_completion_tokens_;
        if (name == "parallel_tool_calls") return quirks_.no_parallel_tool_calls;
        if (name == "seed") return quirks_.no_seed;
        if (name == "presence_penalty" || name == "frequency_penalty") return quirks_.no_penalties;
        if (name == "n") return quirks_.no_n;
        if (name == "logprobs" || name == "top_logprobs") return quirks_.no_logprobs;
        return name == "user" && quirks_.no_user;
    }
    /// Would its value have made a difference?
    static bool matters(std::string_view name, std::string_view value) noexcept {
        if (value == "null" || name == "stream_options" || name == "max_tokens") return false;
        if (name == "n") return value != "1";
        if (name == "parallel_tool_calls") return value == "false";
        if (name == "logprobs") return value != "false";
        if (name == "presence_penalty" || name == "frequency_penalty") return value_of(value) != 0;
        return name != "user" || value != R"("")";
    }
    [[nodiscard]] std::string_view text_here() const {
        Cursor look = cursor_;
        return look.peek() == '"' ? inside(body_, look.take_string()) : std::string_view();
    }
    bool replace_value(std::string_view text) {
        Range range;
        if (!cursor_.skip_value(range)) return false;
        splicer_.replace(range, text);
        return true;
    }

    // The messages.

    bool edit_messages() {
        ListCutter cutter(cursor_, splicer_);
        const bool system_moves = !system_texts_.empty() && has_user_;
        bool any = false;
        const bool good = cursor_.each_element([&] {
            const uint32_t begin = cursor_.offset();
            MessageFacts facts;
            const bool is_message = cursor_.peek() == '{' && read_facts(cursor_, facts);
            if (is_system(facts.role) && system_moves) {
                if (!cursor_.skip_value()) return false;
                cutter.cut(begin);
                return true;
            }
            if (!is_system(facts.role)) place_hint(begin, "", ",");
            any = true;
            if (!(is_message ? edit_message(facts) : cursor_.skip_value())) return false;
            cutter.keep();
            return true;
        });
        if (good) place_hint(cursor_.last_end() - 1, any ? "," : "", "");
        return good;
    }
    /// In front of what is said, once: the schema that the server would not take, told to the model.
    void place_hint(uint32_t offset, std::string_view front, std::string_view behind) {
        if (!has(schema_) || std::exchange(hinted_, true)) return;
        if (quirks_.no_system_in_messages && has_user_) return;  // the first user's message says it
        splicer_.insert(offset, front);
        splicer_.put(R"({"role":")");
        splicer_.put(quirks_.no_system_in_messages ? "user" : "system");
        splicer_.put(R"(","content":")");
        splicer_.put(hint());
        splicer_.put(R"("})");
        splicer_.put(behind);
    }
    Text hint() {
        ArenaText text(arena_, schema_.size() + 128);
        text.append("Answer with a JSON object that follows this JSON Schema: ");
        text.append(escaped(schema_, arena_));
        return text.view();
    }

    bool edit_message(const MessageFacts& facts) {
        return edit_members(cursor_, [&](std::string_view name, Range, bool& cut) {
            if (name == "role") return edit_role(facts.role);
            if (name == "content") return edit_content(facts);
            const bool thinking = name == "reasoning_content" || name == "reasoning" || name == "thinking_blocks";
            cut = thinking && quirks_.no_reasoning_content && facts.role == "assistant";
            if (cut && !cursor_.is_null()) losses_.add("reasoning_content");
            return cursor_.skip_value();
        });
    }
    bool edit_role(std::string_view role) {
        if (is_system(role) && quirks_.no_system_in_messages) return replace_value(R"("user")");
        return role == "developer" && quirks_.no_developer_role ? replace_value(R"("system")") : cursor_.skip_value();
    }
    bool edit_content(const MessageFacts& facts) {
        const bool takes_system = facts.role == "user" && quirks_.no_system_in_messages && !std::exchange(told_, true);
        ArenaList<std::string_view> front;
        if (takes_system) front = system_texts_;
        if (takes_system && has(schema_)) front.add(arena_, hint());
        if (cursor_.peek() == '[' && facts.only_texts && quirks_.no_content_parts) return join_parts(facts.role, front);
        if (front.empty()) return cursor_.skip_value();
        const uint32_t begin = cursor_.offset();
        const char first = cursor_.peek();
        if (first == '[') return put_parts_in_front(begin, front);
        if (first != '"') return replace_with_texts(front);
        splicer_.insert(begin + 1, {});
        for (const std::string_view text : front) {
            splicer_.put(text);
            splicer_.put(between_texts);
        }
        return cursor_.skip_value();
    }
    bool put_parts_in_front(uint32_t begin, const ArenaList<std::string_view>& front) {
        Cursor look = cursor_;
        bool is_empty = true;
        if (!look.each_element([&] {
                is_empty = false;
                return look.skip_value();
            }))
            return cursor_.skip_value();
        splicer_.insert(begin + 1, {});
        bool is_first = true;
        for (const std::string_view text : front) {
            if (!std::exchange(is_first, false)) splicer_.put(",");
            splicer_.put(R"({"type":"text","text":")");
            splicer_.put(text);
            splicer_.put(R"("})");
        }
        if (!is_empty) splicer_.put(",");
        return cursor_.skip_value();
    }
    /// A list of texts as one text. What an assistant said follows without anything between, as it came.
    bool join_parts(std::string_view role, ArenaList<std::string_view> texts) {
        Cursor look = cursor_;
        if (!gather_texts(look, texts)) return cursor_.skip_value();
        Range range;
        if (!cursor_.skip_value(range)) return false;
        if (text_of(body_, range).find("\"cache_control\"") != std::string_view::npos) losses_.add("cache_control");
        splicer_.replace(range, "\"");
        put_joined(texts, role == "assistant" ? std::string_view() : between_texts);
        splicer_.put("\"");
        return true;
    }
    bool replace_with_texts(const ArenaList<std::string_view>& texts) {
        if (!replace_value("\"")) return false;
        put_joined(texts, between_texts);
        splicer_.put("\"");
        return true;
    }
    void put_joined(const ArenaList<std::string_view>& texts, std::string_view between) {
        bool is_first = true;
        for (const std::string_view text : texts) {
            if (!std::exchange(is_first, false)) splicer_.put(between);
            splicer_.put(text);
        }
    }

    std::string_view body_;
    Cursor cursor_;
    const Quirks& quirks_;
    const bool is_chat_;
    Arena& arena_;
    Losses& losses_;
    Splicer splicer_;
    bool says_max_completion_tokens_ = false;
    Json schema_;  // that has to be told in words
    bool hinted_ = false;
    ArenaList<std::string_view> system_texts_;  // that must move
    bool has_user_ = false;                     // who takes them
    bool told_ = false;
};

}  // namespace

struct QuirkEdits::State {
    State(TranslateScratch::Parts& parts, BlockPool& pool)
        : scratch(parts), kept(pool, kept_block_bytes), losses(kept), call(pool, call_block_bytes) {}
    TranslateScratch::Parts& scratch;
    Arena kept;
    Losses losses;
    Arena call;
};

QuirkEdits::QuirkEdits(TranslateScratch& scratch, BlockPool& pool)
    : state_(std::make_unique<State>(*scratch.parts_, pool)) {}
QuirkEdits::~QuirkEdits() = default;

Result<bool> QuirkEdits::apply(Endpoint endpoint, std::string_view body, const Quirks& quirks, ByteBuffer& out) {
    Tokens tokens;
    Fault fault;
    bool good = state_->scratch.structure.index(body, Structure::Utf8::passed, tokens, fault);
    bool changed = false;
    if (good) {
        const size_t before = out.size();
        Editor editor(body, tokens, quirks, endpoint == Endpoint::chat_completions, state_->call, state_->losses, out);
        good = editor.run();
        if (good)
            changed = editor.finish();
        else
            out.resize(before);
    }
    state_->call.release();
    state_->scratch.structure.trim();
    if (!good) return fail(Errc::bad_message, Side::downstream, "the body cannot be changed as its provider wants it");
    return changed;
}

const ArenaList<std::string_view>& QuirkEdits::dropped() const noexcept { return state_->losses.names(); }

}  // namespace loom::llm
