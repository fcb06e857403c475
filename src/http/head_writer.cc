#include "loom/http/head_writer.h"

#include <cstring>

#include "loom/base/assert.h"
#include "scan.h"

namespace loom::http {
namespace {

/// Would these bytes end the line they are written into, or cut it for a reader of C strings?
bool breaks_line(std::string_view text) noexcept {
    const char* end = text.data() + text.size();
    return scan::Baseline::value_end(text.data(), end) != end;
}

char* put(char* at, std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return at + text.size();
}

size_t write_decimal(char* out, uint64_t value) noexcept {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; ++i) out[i] = digits[count - 1 - i];
    return count;
}

void write_padded(char* out, unsigned value, int width) noexcept {
    for (int i = width - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

struct Civil {
    unsigned year, month, day;
};
/// Days since 1970-01-01 to the Gregorian date, counting years from March so that leap days come last.
Civil civil_of(int64_t days) noexcept {
    const int64_t shifted = days + 719468;
    const auto era = static_cast<unsigned>(shifted / 146097);
    const auto day_of_era = static_cast<unsigned>(shifted % 146097);
    const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned month_from_march = (5 * day_of_year + 2) / 153;
    const unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day_of_year - (153 * month_from_march + 2) / 5 + 1};
}

}  // namespace

void format_date(int64_t unix_seconds, char* out) noexcept {
    LOOM_ASSERT(unix_seconds >= 0 && unix_seconds <= 253402300799);
    constexpr const char* days = "ThuFriSatSunMonTueWed";  // 1970-01-01 was a Thursday
    constexpr const char* months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const int64_t day = unix_seconds / 86400;
    const auto second = static_cast<unsigned>(unix_seconds % 86400);
    const Civil date = civil_of(day);
    std::memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", date_bytes);
    std::memcpy(out, days + 3 * (day % 7), 3);
    write_padded(out + 5, date.day, 2);
    std::memcpy(out + 8, months + 3 * (date.month - 1), 3);
    write_padded(out + 12, date.year, 4);
    write_padded(out + 17, second / 3600, 2);
    write_padded(out + 20, second / 60 % 60, 2);
    write_padded(out + 23, second % 60, 2);
}

char* HeadWriter::reserve(size_t bytes) noexcept {
    if (fault_ != Fault::none) return nullptr;
    if (static_cast<size_t>(end_ - at_) < bytes) {
        fault_ = Fault::no_room;
        return nullptr;
    }
    char* begin = at_;
    at_ += bytes;
    return begin;
}

void HeadWriter::refuse() noexcept {
    if (fault_ == Fault::none) fault_ = Fault::bad_value;
}

HeadWriter& HeadWriter::status(int code) noexcept { return status(code, reason_phrase(code)); }

HeadWriter& HeadWriter::status(int code, std::string_view reason) noexcept {
    if (code < 100 || code > 999 || breaks_line(reason)) return refuse(), *this;
    constexpr std::string_view version = "HTTP/1.1 ";
    if (char* at = reserve(version.size() + 4 + reason.size() + 2)) {
        at = put(at, version);
        write_padded(at, static_cast<unsigned>(code), 3);
        at[3] = ' ';
        put(put(at + 4, reason), "\r\n");
    }
    return *this;
}

HeadWriter& HeadWriter::request_line(std::string_view method, std::string_view target) noexcept {
    return request_line(method, target, {});
}

HeadWriter& HeadWriter::request_line(std::string_view method, std::string_view base_path,
                                     std::string_view rest) noexcept {
    const auto is_target = [](std::string_view text) {
        const char* end = text.data() + text.size();
        return scan::Baseline::target_end(text.data(), end) == end;
    };
    if (!is_target(method) || !is_target(base_path) || !is_target(rest)) return refuse(), *this;
    constexpr std::string_view version = " HTTP/1.1\r\n";
    if (char* at = reserve(method.size() + 1 + base_path.size() + rest.size() + version.size())) {
        at = put(put(at, method), " ");
        put(put(put(at, base_path), rest), version);
    }
    return *this;
}

HeadWriter& HeadWriter::header(std::string_view name, std::string_view value) noexcept {
    return header(name, value, {});
}

HeadWriter& HeadWriter::header(std::string_view name, std::string_view value, std::string_view rest) noexcept {
    const char* name_end = name.data() + name.size();
    if (name.empty() || scan::Baseline::name_end(name.data(), name_end) != name_end) return refuse(), *this;
    if (breaks_line(value) || breaks_line(rest)) return refuse(), *this;
    if (char* at = reserve(name.size() + 2 + value.size() + rest.size() + 2)) {
        at = put(put(at, name), ": ");
        put(put(put(at, value), rest), "\r\n");
    }
    return *this;
}

HeadWriter& HeadWriter::header(std::string_view name, uint64_t value) noexcept {
    char digits[20];
    return header(name, {digits, write_decimal(digits, value)});
}

HeadWriter& HeadWriter::date(std::string_view imf_fixdate) noexcept { return header("date", imf_fixdate); }

HeadWriter& HeadWriter::raw(std::string_view bytes) noexcept {
    if (char* at = reserve(bytes.size())) put(at, bytes);
    return *this;
}

HeadWriter& HeadWriter::end() noexcept { return raw("\r\n"); }

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 103: return "Early Hints";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 203: return "Non-Authoritative Information";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 207: return "Multi-Status";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 423: return "Locked";
        case 424: return "Failed Dependency";
        case 425: return "Too Early";
        case 426: return "Upgrade Required";
        case 428: return "Precondition Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 451: return "Unavailable For Legal Reasons";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 507: return "Insufficient Storage";
        case 511: return "Network Authentication Required";
        default: return "";
    }
}

}  // namespace loom::http
