#include "loom/llm/echo_realtime.h"

#include <deque>
#include <vector>

#include "echo_state.h"
#include "loom/llm/json_text.h"
#include "structure.h"

namespace loom::llm {
namespace {

std::string quoted(std::string_view text) {
    std::string out;
    quote(text, out);
    return out;
}

/// What an event of the client says, as far as the model listens.
struct Heard {
    std::string type;
    std::string text;  // of an item's parts
    uint64_t audio_digits = 0;
};

class EventWalk {
  public:
    EventWalk(std::string_view event, Tokens tokens, Heard& heard) : cursor_(event, tokens), heard_(heard) {}

    bool run() {
        return cursor_.peek() == '{' && cursor_.each_member([this](Range key) { return read_member(name_of(key)); }) &&
               cursor_.at_end();
    }

  private:
    std::string_view name_of(Range key) { return inside(cursor_.text(), key); }
    bool take(std::string& text) {
        const std::string_view raw = inside(cursor_.text(), cursor_.take_string());
        return unescape(raw, text);
    }
    bool read_member(std::string_view name) {
        if (name == "type" && cursor_.peek() == '"') return take(heard_.type);
        if (name == "audio" && cursor_.peek() == '"') {
            heard_.audio_digits = cursor_.take_string().length - 2;
            return true;
        }
        return name == "item" ? read_texts() : cursor_.skip_value();
    }
    /// An item's content, its parts, their text.
    bool read_texts() {
        if (cursor_.peek() == '[') return cursor_.each_element([this] { return read_texts(); });
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([this](Range key) {
            const std::string_view name = name_of(key);
            if (name == "text" && cursor_.peek() == '"') return take(heard_.text);
            return name == "content" ? read_texts() : cursor_.skip_value();
        });
    }

    Cursor cursor_;
    Heard& heard_;
};

}  // namespace

struct EchoRealtime::State {
    enum class Step : uint8_t { idle, created, item, part, words, text_done, part_done, item_done, done };

    std::string model, id;
    std::string said;  // the user's last words
    uint64_t said_words = 0;
    uint64_t audio_bytes = 0;
    uint64_t event_count = 0, item_count = 0, response_count = 0;
    std::deque<std::string> waiting;  // events without their ids
    std::string text;                 // of the response at hand
    std::vector<std::string_view> pieces;
    size_t piece = 0;
    Step step = Step::idle;
    bool cancelled = false;
    bool deaf = false;  // until what waits has been asked for
    size_t waiting_bytes = 0;
    Structure structure;

    void answer(std::string_view type, std::string_view fields);
    void refuse(std::string_view code, std::string_view message);
    void obey(const Heard& heard);
    void add_item(const Heard& heard);
    void begin_response();
    void next_of_response(std::string& out);
    void write(std::string& out, std::string_view type, std::string_view fields);
    [[nodiscard]] std::string place() const;
    [[nodiscard]] std::string session() const;
    [[nodiscard]] std::string response(std::string_view status, bool whole) const;
    [[nodiscard]] std::string item(std::string_view status, bool whole) const;
};

EchoRealtime::EchoRealtime(std::string_view model, std::string_view id) : state_(std::make_unique<State>()) {
    state_->model = model;
    state_->id = id;
    state_->answer("session.created", R"("session":)" + state_->session());
}
EchoRealtime::~EchoRealtime() = default;

void EchoRealtime::take(std::string_view event) {
    State& s = *state_;
    if (s.deaf) return;
    if (s.waiting_bytes > waiting_bytes_max) {
        s.deaf = true;
        return s.refuse("rate_limit_exceeded", "too many events before their answers were read");
    }
    Heard heard;
    Tokens tokens;
    Fault fault;
    const bool good =
        s.structure.index(event, Structure::Utf8::passed, tokens, fault) && EventWalk(event, tokens, heard).run();
    s.structure.trim();
    if (!good || heard.type.empty()) return s.refuse("invalid_event", "the event is no JSON object with a 'type'");
    s.obey(heard);
}

void EchoRealtime::State::obey(const Heard& heard) {
    const std::string_view type = heard.type;
    if (type == "session.update") return answer("session.updated", R"("session":)" + session());
    if (type == "conversation.item.create") return add_item(heard);
    if (type == "response.create") return begin_response();
    if (type == "response.cancel") {
        if (step == Step::idle) return refuse("response_cancel_not_active", "there is no response to cancel");
        cancelled = true;
        return;
    }
    if (type == "input_audio_buffer.append") {
        audio_bytes += heard.audio_digits / 4 * 3;
        return;
    }
    if (type == "input_audio_buffer.clear") {
        audio_bytes = 0;
        return answer("input_audio_buffer.cleared", {});
    }
    if (type != "input_audio_buffer.commit")
        return refuse("invalid_value", "the demo model does not know the event " + heard.type);
    said = "(" + std::to_string(audio_bytes) + " bytes of audio)";
    said_words = 0;
    audio_bytes = 0;
    item_count += 1;
    answer("input_audio_buffer.committed",
           R"("previous_item_id":null,"item_id":"item_)" + id + "_" + std::to_string(item_count) + "\"");
}

void EchoRealtime::State::add_item(const Heard& heard) {
    said_words += count_words(heard.text);
    said = heard.text.substr(0, utf8_cut(heard.text, std::min(repeated_bytes_max, heard.text.size())));
    item_count += 1;
    const std::string added = R"({"id":"item_)" + id + "_" + std::to_string(item_count) +
                              R"(","object":"realtime.item","type":"message","status":"completed","role":"user",)"
                              R"("content":[{"type":"input_text","text":)" +
                              quoted(said) + "}]}";
    answer("conversation.item.added", R"("previous_item_id":null,"item":)" + added);
    answer("conversation.item.done", R"("previous_item_id":null,"item":)" + added);
}

void EchoRealtime::State::begin_response() {
    if (step != Step::idle)
        return refuse("conversation_already_has_active_response", "the conversation has an active response already");
    response_count += 1;
    item_count += 1;
    text = "This is " + model + ", the demo model inside Loom. You said: " + (said.empty() ? "(nothing)" : said);
    pieces = split_words(text);
    piece = 0;
    cancelled = false;
    step = Step::created;
}

void EchoRealtime::State::answer(std::string_view type, std::string_view fields) {
    std::string event = R"({"type":")";
    event.append(type).append(R"(")");
    if (!fields.empty()) event.append(",").append(fields);
    waiting_bytes += event.size();
    waiting.push_back(std::move(event));
}

void EchoRealtime::State::refuse(std::string_view code, std::string_view message) {
    std::string fields = R"("error":{"type":"invalid_request_error","code":")";
    fields.append(code).append(R"(","message":)").append(quoted(message)).append(R"(,"param":null,"event_id":null})");
    answer("error", fields);
}

std::string EchoRealtime::State::session() const {
    return R"({"type":"realtime","object":"realtime.session","id":"sess_)" + id + R"(","model":)" + quoted(model) +
           R"(,"output_modalities":["text"],"instructions":"","tools":[],"tool_choice":"auto"})";
}

std::string EchoRealtime::State::item(std::string_view status, bool whole) const {
    std::string out = R"({"id":"item_)" + id + "_" + std::to_string(item_count) +
                      R"(","object":"realtime.item","type":"message","role":"assistant","status":")";
    out.append(status).append(R"(","content":[)");
    if (whole) out.append(R"({"type":"output_text","text":)").append(quoted(text)).append("}");
    return out + "]}";
}

/// Tokens are words, as in the demo model's other answers.
std::string EchoRealtime::State::response(std::string_view status, bool whole) const {
    std::string out = R"({"object":"realtime.response","id":"resp_)" + id + "_" + std::to_string(response_count);
    out.append(R"(","status":")").append(status);
    out.append(R"(","status_details":null,"output_modalities":["text"],"output":[)");
    if (whole) out += item(status == "cancelled" ? "incomplete" : "completed", true);
    out += R"(],"usage":)";
    if (!whole) return out + "null}";
    const auto count = [](uint64_t number) { return std::to_string(number); };
    return out + R"({"total_tokens":)" + count(said_words + piece) + R"(,"input_tokens":)" + count(said_words) +
           R"(,"output_tokens":)" + count(piece) + R"(,"input_token_details":{"text_tokens":)" + count(said_words) +
           R"(,"audio_tokens":0,"cached_tokens":0},"output_token_details":{"text_tokens":)" + count(piece) +
           R"(,"audio_tokens":0}}})";
}

std::string EchoRealtime::State::place() const {
    return R"("response_id":"resp_)" + id + "_" + std::to_string(response_count) + R"(","item_id":"item_)" + id + "_" +
           std::to_string(item_count) + R"(","output_index":0,"content_index":0)";
}

void EchoRealtime::State::write(std::string& out, std::string_view type, std::string_view fields) {
    out.append(R"({"type":")").append(type).append(R"(")");
    out.append(fields.empty() ? "" : ",").append(fields);
}

bool EchoRealtime::next_event(std::string& out) {
    State& s = *state_;
    out.clear();
    if (!s.waiting.empty()) {
        out = std::move(s.waiting.front());
        s.waiting.pop_front();
        s.waiting_bytes -= out.size();
        s.deaf = s.deaf && !s.waiting.empty();
    } else if (s.step != State::Step::idle) {
        s.next_of_response(out);
    } else {
        return false;
    }
    s.event_count += 1;
    out.append(R"(,"event_id":"event_)").append(s.id).append("_").append(std::to_string(s.event_count)).append("\"}");
    return true;
}

void EchoRealtime::State::next_of_response(std::string& out) {
    const std::string part = R"("part":{"type":"text","text":)";
    const auto go_on = [this](Step next) { step = next; };
    switch (step) {
        case Step::idle: return;
        case Step::created:
            go_on(Step::item);
            return write(out, "response.created", R"("response":)" + response("in_progress", false));
        case Step::item:
            go_on(Step::part);
            return write(out, "response.output_item.added", place() + R"(,"item":)" + item("in_progress", false));
        case Step::part:
            go_on(Step::words);
            return write(out, "response.content_part.added", place() + "," + part + R"(""})");
        case Step::words: {
            const size_t at = piece++;
            const bool last = piece == pieces.size() || cancelled;
            if (last) go_on(Step::text_done);
            return write(out, "response.output_text.delta", place() + R"(,"delta":)" + quoted(pieces[at]));
        }
        case Step::text_done:
            text.resize(static_cast<size_t>(pieces[piece - 1].data() + pieces[piece - 1].size() - text.data()));
            go_on(Step::part_done);
            return write(out, "response.output_text.done", place() + R"(,"text":)" + quoted(text));
        case Step::part_done:
            go_on(Step::item_done);
            return write(out, "response.content_part.done", place() + "," + part + quoted(text) + "}");
        case Step::item_done:
            go_on(Step::done);
            return write(out, "response.output_item.done",
                         place() + R"(,"item":)" + item(cancelled ? "incomplete" : "completed", true));
        case Step::done:
            go_on(Step::idle);
            write(out, "response.done", R"("response":)" + response(cancelled ? "cancelled" : "completed", true));
            said_words = 0;
            return;
    }
}

}  // namespace loom::llm
