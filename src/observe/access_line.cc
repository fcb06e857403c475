#include "json_text.h"
#include "loom/observe/access_log.h"

namespace loom::observe {
namespace {

constexpr struct {
    size_t request_id = 128, client = 64, client_certificate = 128, consumer = 64, tenant = 64, route = 64, method = 16,
           path = 512, model = 128, upstream_model = 128, provider = 64, user_agent = 256, error_what = 128;
} bytes_max;
constexpr size_t word_bytes_max = 32;       // of an endpoint, and of an error: words of ours, nothing to escape
constexpr size_t failover_bytes_max = 256;  // names of the conf's and words of ours: nothing to escape
constexpr size_t cache_bytes_max = 8;
constexpr size_t guard_bytes_max = 256;  // the same
constexpr size_t hedge_bytes_max = 64;   // the same, each of both
constexpr size_t text_bytes_max = bytes_max.request_id + bytes_max.client + bytes_max.client_certificate +
                                  bytes_max.consumer + bytes_max.tenant + bytes_max.route + bytes_max.method +
                                  bytes_max.path + bytes_max.model + bytes_max.upstream_model + bytes_max.provider +
                                  bytes_max.user_agent + bytes_max.error_what;
constexpr size_t field_count = 41;
constexpr size_t key_bytes_max = 24;     // `,"upstream_wait_us":` and quotes
constexpr size_t number_bytes_max = 27;  // a time; a number has 20
static_assert(text_bytes_max * escaped_bytes_max + failover_bytes_max + guard_bytes_max + 2 * hedge_bytes_max +
                      2 * word_bytes_max + field_count * (key_bytes_max + number_bytes_max) + 8 <=
                  line_bytes_max,
              "a line is formatted without looking at what room is left");

/// The length of the UTF-8 character at the front, or 0 when it is none.
size_t utf8_length(std::string_view text) noexcept {
    const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
    const unsigned lead = at(0);
    if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const bool overlong = lead == 0xe0 && at(1) < 0xa0;
        const bool surrogate = lead == 0xed && at(1) > 0x9f;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const bool overlong = lead == 0xf0 && at(1) < 0x90;
        const bool beyond = lead == 0xf4 && at(1) > 0x8f;
        return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

char* put_control(char* out, unsigned char c) noexcept {
    static constexpr char digits[] = "0123456789abcdef";
    out = put(out, "\\u00");
    *out++ = digits[c >> 4];
    *out++ = digits[c & 15];
    return out;
}

constexpr const char* usage_names[] = {"none", "reported", "counted", "estimated"};

/// A line in the making. Keys are literals with their comma, colon and opening quote, so that each is one copy.
class Line {
  public:
    explicit Line(char* out) noexcept : out_(out) {}

    template <size_t n>
    void raw(const char (&literal)[n]) noexcept {
        out_ = put(out_, literal);
    }
    template <size_t n>
    void text(const char (&key)[n], std::string_view value, size_t most) noexcept {
        if (value.empty()) return;
        out_ = put(out_, key);
        out_ = put_text(out_, value, most);
        *out_++ = '"';
    }
    /// Of bytes that need no escaping.
    template <size_t n>
    void plain(const char (&key)[n], std::string_view value, size_t most) noexcept {
        if (value.empty()) return;
        value = value.substr(0, most);
        out_ = put(out_, key);
        std::memcpy(out_, value.data(), value.size());
        out_ += value.size();
        *out_++ = '"';
    }
    template <size_t n>
    void number(const char (&key)[n], uint64_t value) noexcept {
        out_ = put(out_, key);
        out_ = put_number(out_, value);
    }
    template <size_t n>
    void money(const char (&key)[n], Money amount) noexcept {
        out_ = put(out_, key);
        const MoneyText text(static_cast<unsigned __int128>(amount));
        std::memcpy(out_, text.view().data(), text.view().size());
        out_ += text.view().size();
    }
    template <size_t n>
    void time(const char (&key)[n], int64_t us) noexcept {
        if (us >= 0) number(key, static_cast<uint64_t>(us));
    }
    void begin(const char* second_text, uint64_t time_us) noexcept {
        raw("{\"time\":\"");
        std::memcpy(out_, second_text, 19);
        out_[19] = '.';
        out_ = put_padded<6>(out_ + 20, static_cast<uint32_t>(time_us % 1'000'000));
        raw("Z\"");
    }
    [[nodiscard]] char* end() noexcept {
        raw("}\n");
        return out_;
    }

  private:
    char* out_;
};

void put_request(Line& line, const AccessRecord& r) noexcept {
    line.text(",\"request_id\":\"", r.request_id, bytes_max.request_id);
    line.text(",\"client\":\"", r.client, bytes_max.client);
    line.text(",\"client_certificate\":\"", r.client_certificate, bytes_max.client_certificate);
    line.text(",\"consumer\":\"", r.consumer, bytes_max.consumer);
    line.text(",\"tenant\":\"", r.tenant, bytes_max.tenant);
    line.text(",\"route\":\"", r.route, bytes_max.route);
    line.text(",\"method\":\"", r.method, bytes_max.method);
    // The caller has cut the query off; a key in it must not depend on that.
    line.text(",\"path\":\"", r.path.substr(0, r.path.find('?')), bytes_max.path);
    line.plain(",\"endpoint\":\"", r.endpoint, word_bytes_max);
    line.text(",\"model\":\"", r.model, bytes_max.model);
    line.text(",\"upstream_model\":\"", r.upstream_model, bytes_max.upstream_model);
    line.text(",\"provider\":\"", r.provider, bytes_max.provider);
}

void put_outcome(Line& line, const AccessRecord& r) noexcept {
    line.number(",\"status\":", r.status);
    line.plain(",\"error\":\"", r.error, word_bytes_max);
    line.text(",\"error_what\":\"", r.error_what, bytes_max.error_what);
    if (r.stream)
        line.raw(",\"stream\":true");
    else
        line.raw(",\"stream\":false");
    line.number(",\"attempts\":", r.attempts);
    line.plain(",\"failover\":\"", r.failover, failover_bytes_max);
    line.plain(",\"cache\":\"", r.cache, cache_bytes_max);
    line.plain(",\"hedge\":\"", r.hedge, hedge_bytes_max);
    line.plain(",\"hedge_other\":\"", r.hedge_other, hedge_bytes_max);
    line.plain(",\"guard\":\"", r.guard, guard_bytes_max);
    line.number(",\"bytes_in\":", r.bytes_in);
    line.number(",\"bytes_out\":", r.bytes_out);
    if (r.stream) line.number(",\"events\":", r.events);
    if (r.cost >= 0) line.money(",\"cost\":", r.cost);
    if (r.usage == UsageSource::none) return;
    line.text(",\"usage\":\"", usage_names[static_cast<size_t>(r.usage)], 16);
    line.number(",\"tokens_input\":", r.tokens_input);
    line.number(",\"tokens_output\":", r.tokens_output);
    line.number(",\"tokens_cached\":", r.tokens_cached);
}

void put_times(Line& line, const AccessRecord& r) noexcept {
    line.time(",\"total_us\":", r.total_us);
    line.time(",\"ttft_us\":", r.ttft_us);
    line.time(",\"overhead_us\":", r.overhead_us);
    line.time(",\"admit_us\":", r.admit_us);
    line.time(",\"inspect_us\":", r.inspect_us);
    line.time(",\"forward_us\":", r.forward_us);
    line.time(",\"upstream_wait_us\":", r.upstream_wait_us);
    line.time(",\"relay_us\":", r.relay_us);
}

}  // namespace

char* put_careful(char* out, std::string_view& text) noexcept {
    const auto c = static_cast<unsigned char>(text.front());
    size_t length = 1;
    if (c == '"' || c == '\\') {
        *out++ = '\\';
        *out++ = static_cast<char>(c);
    } else if (c < 0x20) {
        out = put_control(out, c);
    } else if (c < 0x80) {
        *out++ = static_cast<char>(c);
    } else if ((length = utf8_length(text)) > 0) {
        std::memcpy(out, text.data(), length);
        out += length;
    } else {
        length = 1;
        out = put(out, "\xef\xbf\xbd");  // U+FFFD
    }
    text.remove_prefix(length);
    return out;
}

char* format_access_line(const AccessRecord& record, const char* second_text, char* out) noexcept {
    Line line(out);
    line.begin(second_text, record.time_us);
    put_request(line, record);
    put_outcome(line, record);
    put_times(line, record);
    line.text(",\"user_agent\":\"", record.user_agent, bytes_max.user_agent);
    return line.end();
}

}  // namespace loom::observe
