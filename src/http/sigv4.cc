#include "loom/http/sigv4.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <initializer_list>

#include "loom/base/percent.h"

namespace loom::http {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view terminator = "aws4_request";

std::string_view view(const std::array<char, 64>& hex) noexcept { return {hex.data(), hex.size()}; }

/// Appends to bounded memory; what did not fit shows in `full`.
class Writer {
  public:
    explicit Writer(std::span<char> out) noexcept : out_(out) {}
    /// Returns the bytes where they lie now.
    std::string_view put(std::string_view bytes) noexcept {
        if (bytes.size() > out_.size() - used_) {
            full_ = true;
            return {};
        }
        char* const at = out_.data() + used_;
        if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
        used_ += bytes.size();
        return {at, bytes.size()};
    }
    std::string_view put(std::initializer_list<std::string_view> pieces) noexcept {
        const size_t begin = used_;
        for (const std::string_view piece : pieces) (void)put(piece);
        return from(begin);
    }
    [[nodiscard]] size_t used() const noexcept { return used_; }
    [[nodiscard]] bool full() const noexcept { return full_; }
    [[nodiscard]] std::string_view from(size_t begin) const noexcept { return {out_.data() + begin, used_ - begin}; }

  private:
    std::span<char> out_;
    size_t used_ = 0;
    bool full_ = false;
};

/// "20150830T123600Z"
std::array<char, 16> date_text(uint64_t unix_seconds) noexcept {
    using namespace std::chrono;
    const auto moment = sys_seconds(seconds(unix_seconds));
    const auto midnight = floor<days>(moment);
    const year_month_day day(midnight);
    const hh_mm_ss time(moment - midnight);
    std::array<char, 16> out;
    const auto digits = [&out](size_t at, size_t count, unsigned value) {
        for (size_t i = count; i-- > 0; value /= 10) out[at + i] = static_cast<char>('0' + value % 10);
    };
    digits(0, 4, static_cast<unsigned>(static_cast<int>(day.year())));
    digits(4, 2, static_cast<unsigned>(day.month()));
    digits(6, 2, static_cast<unsigned>(day.day()));
    out[8] = 'T';
    digits(9, 2, static_cast<unsigned>(time.hours().count()));
    digits(11, 2, static_cast<unsigned>(time.minutes().count()));
    digits(13, 2, static_cast<unsigned>(time.seconds().count()));
    out[15] = 'Z';
    return out;
}

struct Parameter {
    std::string_view name;
    std::string_view value;
    friend auto operator<=>(const Parameter&, const Parameter&) = default;
};

/// A name or value of a query in its one canonical spelling: what was encoded is decoded first.
std::string_view canonical(std::string_view text, Writer& scratch) noexcept {
    const size_t begin = scratch.used();
    const auto put = [&scratch](std::string_view piece) { (void)scratch.put(piece); };
    for (size_t i = 0; i < text.size(); ++i) {
        uint8_t byte = 0;
        const bool escaped = text[i] == '%' && i + 2 < text.size() && hex_decode(text.substr(i + 1, 2), {&byte, 1});
        const char plain = escaped ? static_cast<char>(byte) : text[i];
        percent_encode({&plain, 1}, "", put);
        if (escaped) i += 2;
    }
    return scratch.from(begin);
}

/// False when the query is over the bounds.
bool add_query(std::string_view query, Sha256Stream& digest) {
    std::array<char, SigV4Signer::query_bytes_max> room;
    std::array<Parameter, SigV4Signer::query_parameters_max> parameters;
    Writer scratch(room);
    size_t count = 0;
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), one.size() + 1));
        if (one.empty()) continue;
        if (count == parameters.size()) return false;
        const size_t equals = std::min(one.find('='), one.size());
        Parameter& parameter = parameters[count++];
        parameter.name = canonical(one.substr(0, equals), scratch);
        parameter.value = canonical(one.substr(std::min(equals + 1, one.size())), scratch);
    }
    if (scratch.full()) return false;
    std::sort(parameters.begin(), parameters.begin() + static_cast<ptrdiff_t>(count));
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) digest.add("&");
        digest.add(parameters[i].name);
        digest.add("=");
        digest.add(parameters[i].value);
    }
    return true;
}

/// A header's value without blanks around it, runs of blanks in it as one.
void add_value(std::string_view value, Sha256Stream& digest) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    bool begun = false;
    for (size_t i = 0; i < value.size();) {
        if (is_blank(value[i])) {
            ++i;
            continue;
        }
        const size_t begin = i;
        while (i < value.size() && !is_blank(value[i])) ++i;
        if (begun) digest.add(" ");
        digest.add(value.substr(begin, i - begin));
        begun = true;
    }
}

/// The headers that are signed, by name.
struct HeaderList {
    static constexpr size_t own_max = 3;  // host, x-amz-date, x-amz-security-token
    std::array<SignedHeader, SigV4Signer::signed_headers_max + own_max> all;
    size_t count = 0;

    void add(SignedHeader header) noexcept { all[count++] = header; }
    void sort() noexcept {
        std::sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(count),
                  [](const SignedHeader& a, const SignedHeader& b) { return a.name < b.name; });
    }
    [[nodiscard]] std::span<const SignedHeader> sorted() const noexcept { return {all.data(), count}; }
};

/// The canonical request up to the names of its headers. It is hashed as it comes; nobody needs it whole. False when
/// the query is over the bounds.
bool add_head(const SigV4Request& request, const HeaderList& headers, Sha256Stream& digest) {
    digest.add(request.method);
    digest.add("\n");
    percent_encode(request.path.empty() ? std::string_view("/") : request.path, "/",
                   [&digest](std::string_view piece) { digest.add(piece); });
    digest.add("\n");
    if (!add_query(request.query, digest)) return false;
    digest.add("\n");
    for (const SignedHeader& header : headers.sorted()) {
        digest.add(header.name);
        digest.add(":");
        add_value(header.value, digest);
        digest.add("\n");
    }
    digest.add("\n");
    return true;
}

/// … and from there on.
std::array<char, 64> finish(Sha256Stream& digest, std::string_view header_names, const SigV4Request& request) noexcept {
    digest.add(header_names);
    digest.add("\n");
    if (request.body_digest != nullptr) {
        digest.add(view(hex_of(*request.body_digest)));
    } else {
        Sha256Stream body;
        for (const std::string_view piece : request.body) body.add(piece);
        digest.add(view(hex_of(body.finish())));
    }
    return hex_of(digest.finish());
}

std::unexpected<Error> too_large(const char* what) noexcept { return fail(Errc::too_large, Side::internal, what); }

}  // namespace

SigV4Signer::SigV4Signer(std::string_view region, std::string_view service) : region_(region), service_(service) {}

SigV4Signer::~SigV4Signer() {
    secure_wipe(secret_);
    secure_wipe(session_token_);
    secure_wipe(key_);
}

void SigV4Signer::use(const AwsCredentials& credentials) {
    secure_wipe(secret_);
    secure_wipe(session_token_);
    access_key_id_ = credentials.access_key_id;
    secret_.reserve(4 + credentials.secret_access_key.size());  // growth would leave a copy behind
    secret_.append("AWS4").append(credentials.secret_access_key);
    session_token_ = credentials.session_token;
    day_ = {};
}

void SigV4Signer::derive_key(std::string_view day) {
    if (std::string_view(day_.data(), day_.size()) == day) return;
    Sha256 step = hmac_sha256(secret_, day);
    for (const std::string_view scope : {std::string_view(region_), std::string_view(service_), terminator})
        step = hmac_sha256(step, scope);
    key_ = step;
    secure_wipe(step);
    day.copy(day_.data(), day_.size());
}

Result<SigV4Headers> SigV4Signer::sign(const SigV4Request& request, uint64_t unix_seconds, std::span<char> out) {
    if (request.headers.size() > signed_headers_max) return too_large("too many headers to sign");
    Writer writer(out);
    const std::array<char, 16> date_room = date_text(unix_seconds);
    const std::string_view date = writer.put(std::string_view(date_room.data(), date_room.size()));
    const std::string_view day(date_room.data(), day_.size());

    HeaderList headers;
    headers.add({"host", request.host});
    headers.add({"x-amz-date", {date_room.data(), date_room.size()}});
    if (!session_token_.empty()) headers.add({"x-amz-security-token", session_token_});
    for (const SignedHeader& header : request.headers) headers.add(header);
    headers.sort();
    Sha256Stream digest;
    if (!add_head(request, headers, digest)) return too_large("the query of a request to sign is too large");

    const size_t begin = writer.used();
    (void)writer.put({algorithm, " Credential=", access_key_id_, "/"});
    const std::string_view scope = writer.put({day, "/", region_, "/", service_, "/", terminator});
    (void)writer.put(", SignedHeaders=");
    const size_t names_begin = writer.used();
    for (const SignedHeader& header : headers.sorted())
        (void)writer.put({writer.used() > names_begin ? ";" : "", header.name});
    const std::array<char, 64> request_hash = finish(digest, writer.from(names_begin), request);

    derive_key(day);
    std::array<char, 512> room;
    Writer to_sign(room);
    const std::string_view signed_text = to_sign.put({algorithm, "\n", date, "\n", scope, "\n", view(request_hash)});
    (void)writer.put({", Signature=", view(hex_of(hmac_sha256(key_, signed_text)))});
    if (writer.full() || to_sign.full()) return too_large("a signature does not fit into its room");
    return SigV4Headers{.date = date, .authorization = writer.from(begin), .security_token = session_token_};
}

}  // namespace loom::http
