#include "loom/http/body.h"

#include "fields.h"
#include "loom/base/assert.h"
#include "scan.h"

namespace loom::http {
namespace {

/// The value of a hex digit; 0xff for anything else.
constexpr std::array<uint8_t, 256> hex_values = [] {
    std::array<uint8_t, 256> table{};
    table.fill(0xff);
    for (uint8_t i = 0; i < 10; ++i) table[static_cast<size_t>('0' + i)] = i;
    for (uint8_t i = 0; i < 6; ++i) {
        table[static_cast<size_t>('a' + i)] = static_cast<uint8_t>(10 + i);
        table[static_cast<size_t>('A' + i)] = static_cast<uint8_t>(10 + i);
    }
    return table;
}();
constexpr uint8_t hex_value(unsigned char c) noexcept { return hex_values[c]; }

constexpr bool is_blank(unsigned char c) noexcept { return c == ' ' || c == '\t'; }

/// RFC 9110, 6.5.1: what would change framing, routing, credentials or the reading of the content.
bool is_forbidden_trailer(HeaderId id) noexcept {
    switch (id) {
        case HeaderId::host:
        case HeaderId::content_length:
        case HeaderId::transfer_encoding:
        case HeaderId::connection:
        case HeaderId::keep_alive:
        case HeaderId::te:
        case HeaderId::trailer:
        case HeaderId::upgrade:
        case HeaderId::expect:
        case HeaderId::proxy_connection:
        case HeaderId::proxy_authorization:
        case HeaderId::proxy_authenticate:
        case HeaderId::authorization:
        case HeaderId::x_api_key:
        case HeaderId::api_key:
        case HeaderId::x_goog_api_key:
        case HeaderId::cookie:
        case HeaderId::set_cookie:
        case HeaderId::content_type:
        case HeaderId::content_encoding:
        case HeaderId::range: return true;
        default: return false;
    }
}

}  // namespace

void BodyReader::start(BodyFraming framing, uint64_t length, Side side) noexcept {
    LOOM_ASSERT(length <= body_bytes_max || framing != BodyFraming::length);
    *this = BodyReader{};
    framing_ = framing;
    side_ = side;
    switch (framing) {
        case BodyFraming::none: state_ = State::done; break;
        case BodyFraming::length:
            remaining_ = length;
            state_ = length == 0 ? State::done : State::counted;
            break;
        case BodyFraming::chunked: state_ = State::size_start; break;
        case BodyFraming::until_close: state_ = State::until_close; break;
    }
}

std::unexpected<Error> BodyReader::broken(Errc code, const char* what) noexcept {
    state_ = State::broken;
    return fail(code, side_, what);
}

std::string_view BodyReader::take_payload(std::string_view bytes) noexcept {
    const size_t taken = bytes.size() < remaining_ ? bytes.size() : static_cast<size_t>(remaining_);
    remaining_ -= taken;
    payload_bytes_ += taken;
    return bytes.substr(0, taken);
}

Result<BodyReader::Step> BodyReader::next(std::string_view bytes) noexcept {
    Step step;
    switch (state_) {
        case State::done: step.done = true; return step;
        case State::broken: return broken(Errc::bad_message, "bytes of a body that was broken before");
        case State::until_close:
            payload_bytes_ += bytes.size();
            step.payload = bytes;
            step.consumed = bytes.size();
            return step;
        case State::counted:
            step.payload = take_payload(bytes);
            step.consumed = step.payload.size();
            if (remaining_ == 0) state_ = State::done;
            step.done = done();
            return step;
        default: break;
    }
    if (state_ != State::payload) step.consumed = LOOM_TRY(read_framing(bytes));
    if (state_ == State::payload) {
        step.payload = take_payload(bytes.substr(step.consumed));
        step.consumed += step.payload.size();
        if (remaining_ == 0) {
            state_ = State::payload_cr;
            if (bytes.size() - step.consumed >= 2 && bytes[step.consumed] == '\r' && bytes[step.consumed + 1] == '\n') {
                step.consumed += 2;
                state_ = State::size_start;
            }
        }
    }
    step.done = done();
    return step;
}

BodyReader::Walk BodyReader::walk(std::string_view bytes, std::span<std::string_view> payloads) noexcept {
    Walk walk;
    walk.done = done();
    while (!walk.done && walk.consumed < bytes.size() && walk.payload_count < payloads.size()) {
        const auto step = next(bytes.substr(walk.consumed));
        if (!step) {
            walk.fault = step.error();
            break;
        }
        walk.consumed += step->consumed;
        walk.done = step->done;
        if (step->payload.empty()) continue;
        payloads[walk.payload_count] = step->payload;
        walk.payload_count += 1;
        walk.payload_bytes += step->payload.size();
    }
    walk.boundary = at_chunk_boundary();
    return walk;
}

Result<void> BodyReader::on_eof() noexcept {
    if (state_ == State::until_close) state_ = State::done;
    if (state_ == State::done) return {};
    state_ = State::broken;
    return fail(Errc::closed, side_, "the connection was closed before the end of the body");
}

/// Stops in front of payload, and at the end of the body.
Result<size_t> BodyReader::read_framing(std::string_view bytes) noexcept {
    size_t at = 0;
    if (state_ == State::size_start) at = quick_size_line(bytes);
    while (at < bytes.size() && state_ != State::payload && state_ != State::done) {
        LOOM_TRY(on_framing_byte(static_cast<unsigned char>(bytes[at])));
        at += 1;
    }
    return at;
}

/// A whole size line without extensions, as nearly all are; 0 when this is none.
size_t BodyReader::quick_size_line(std::string_view bytes) noexcept {
    constexpr size_t digits_max = 8;
    if (bytes.size() < digits_max + 2) return 0;
    uint64_t size = 0;
    size_t at = 0;
    for (; at < digits_max; ++at) {
        const uint8_t value = hex_value(static_cast<unsigned char>(bytes[at]));
        if (value > 15) break;
        size = size << 4 | value;
    }
    if (at == 0 || bytes[at] != '\r' || bytes[at + 1] != '\n') return 0;
    remaining_ = size;
    end_of_size_line();
    return at + 2;
}

void BodyReader::end_of_size_line() noexcept {
    digit_count_ = 0;
    // Payload pays for extensions: a sender who signs each 64 KiB chunk is fine, one that sends a byte a kilobyte is
    // not.
    extension_bytes_ -= remaining_ < extension_bytes_ ? static_cast<uint32_t>(remaining_) : extension_bytes_;
    state_ = remaining_ == 0 ? State::trailer_start : State::payload;
}

Result<void> BodyReader::on_framing_byte(unsigned char c) noexcept {
    switch (state_) {
        case State::size_start:
        case State::size:
        case State::size_lf: return on_size_byte(c);
        case State::payload_cr:
            if (c != '\r') return broken(Errc::bad_message, "a chunk that is longer than its size");
            state_ = State::payload_lf;
            return {};
        case State::payload_lf:
            if (c != '\n') return broken(Errc::bad_message, "a bare CR behind a chunk");
            state_ = State::size_start;
            return {};
        case State::trailer_start:
        case State::trailer_name:
        case State::trailer_value:
        case State::trailer_lf:
        case State::end_lf: return on_trailer_byte(c);
        default: return on_extension_byte(c);
    }
}

Result<void> BodyReader::on_size_byte(unsigned char c) noexcept {
    if (state_ == State::size_lf) {
        if (c != '\n') return broken(Errc::bad_message, "a bare CR in a chunk's size line");
        end_of_size_line();
        return {};
    }
    const uint8_t value = hex_value(c);
    if (value <= 15) {
        if (state_ == State::size_start) remaining_ = 0;
        state_ = State::size;
        digit_count_ += 1;
        if (digit_count_ > 16) return broken(Errc::bad_message, "a chunk size of more than 16 digits");
        if (remaining_ > body_bytes_max >> 4) return broken(Errc::bad_message, "a chunk size above 2^63");
        remaining_ = remaining_ << 4 | value;
        return {};
    }
    if (state_ == State::size_start) return broken(Errc::bad_message, "a chunk without a hexadecimal size");
    if (c == '\r') {
        state_ = State::size_lf;
        return {};
    }
    state_ = State::ext_start;
    return on_extension_byte(c);
}

/// RFC 9112, 7.1.1. ext_start stands before a ';', blanks allowed; a line may not end in blanks.
Result<void> BodyReader::on_extension_byte(unsigned char c) noexcept {
    extension_bytes_ += 1;
    if (extension_bytes_ > chunk_overhead_bytes_max) return broken(Errc::too_large, "chunk extensions above 4 KiB");
    const bool token = scan::is_token(static_cast<char>(c));
    const auto go = [&](State next) -> Result<void> { return state_ = next, Result<void>{}; };
    switch (state_) {
        case State::ext_start:
            if (is_blank(c)) return {};
            if (c == ';') return go(State::ext_name);
            break;
        case State::ext_name:
            if (token) return go(State::ext_after_name);
            if (is_blank(c)) return {};
            break;
        case State::ext_after_name:
            if (token) return {};
            if (c == '=') return go(State::ext_value_start);
            if (c == ';') return go(State::ext_name);
            if (c == '\r') return go(State::size_lf);
            break;
        case State::ext_value_start:
            if (token) return go(State::ext_value);
            if (c == '"') return go(State::ext_quoted);
            break;
        case State::ext_value:
            if (token) return {};
            if (c == ';') return go(State::ext_name);
            if (c == '\r') return go(State::size_lf);
            break;
        case State::ext_quoted:
            if (c == '"') return go(State::ext_after_value);
            if (c == '\\') return go(State::ext_quoted_pair);
            if (!scan::is_control(static_cast<char>(c))) return {};
            break;
        case State::ext_quoted_pair:
            if (!scan::is_control(static_cast<char>(c))) return go(State::ext_quoted);
            break;
        case State::ext_after_value:
            if (c == ';') return go(State::ext_name);
            if (c == '\r') return go(State::size_lf);
            break;
        default: break;
    }
    return broken(Errc::bad_message, "a malformed chunk size or chunk extension");
}

Result<void> BodyReader::on_trailer_byte(unsigned char c) noexcept {
    trailer_bytes_ += 1;
    if (trailer_bytes_ > trailer_bytes_max) return broken(Errc::too_large, "trailers above 8 KiB");
    switch (state_) {
        case State::trailer_start:
            if (c == '\r') {
                state_ = State::end_lf;
                return {};
            }
            name_length_ = 0;
            state_ = State::trailer_name;
            [[fallthrough]];
        case State::trailer_name:
            if (c == ':' && name_length_ > 0) return end_of_trailer_name();
            if (!scan::is_token(static_cast<char>(c))) return broken(Errc::bad_message, "a malformed trailer name");
            if (name_length_ < sizeof name_) name_[name_length_] = static_cast<char>(c);
            name_length_ = name_length_ <= sizeof name_ ? static_cast<uint8_t>(name_length_ + 1) : name_length_;
            return {};
        case State::trailer_value:
            if (c == '\r') {
                state_ = State::trailer_lf;
                return {};
            }
            if (scan::is_control(static_cast<char>(c)))
                return broken(Errc::bad_message, "a control character in a trailer");
            return {};
        default:
            if (c != '\n') return broken(Errc::bad_message, "a bare CR in the trailers");
            state_ = state_ == State::end_lf ? State::done : State::trailer_start;
            return {};
    }
}

Result<void> BodyReader::end_of_trailer_name() noexcept {
    const bool whole = name_length_ <= sizeof name_;  // a longer one is none of the forbidden
    // A client that sends one smuggles, and is refused. An upstream's is left behind with all others (who forwards raw
    // bytes looks at trailer_count()): no reason to break off an answer that is whole.
    if (side_ != Side::upstream && whole && is_forbidden_trailer(header_id({name_, name_length_})))
        return broken(Errc::bad_message, "a trailer that belongs into the head");
    trailer_count_ += 1;
    state_ = State::trailer_value;
    return {};
}

size_t write_chunk_head(char* out, uint64_t payload_bytes) noexcept {
    LOOM_ASSERT(payload_bytes > 0);  // a zero would end the body
    const size_t digits = static_cast<size_t>(67 - __builtin_clzll(payload_bytes)) / 4;
    for (size_t i = digits; i > 0; --i) {
        out[i - 1] = "0123456789abcdef"[payload_bytes & 15];
        payload_bytes >>= 4;
    }
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}

}  // namespace loom::http
