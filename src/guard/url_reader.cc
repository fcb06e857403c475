#include <algorithm>

#include "loom/guard/link_scan.h"
#include "schemes.h"
#include "window.h"

namespace loom::guard {

namespace {

constexpr char small(unsigned char c) noexcept { return static_cast<char>(lower(c)); }
constexpr bool is_slash(unsigned char c) noexcept { return c == '/' || c == '\\'; }

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) noexcept {
    return std::ranges::find(names, name) != names.end();
}

}  // namespace

bool HostList::add(std::string_view name) {
    const bool is_end = name.starts_with("*.");
    std::string host(is_end ? name.substr(2) : name);
    std::ranges::transform(host, host.begin(), [](char c) { return small(static_cast<unsigned char>(c)); });
    const bool good = !host.empty() && host.size() <= UrlReader::host_bytes_max && host.front() != '.' &&
                      host.back() != '.' && std::ranges::all_of(host, [](char c) {
                          const auto byte = static_cast<unsigned char>(c);
                          return is_alnum(byte) || c == '-' || c == '.' || c == '_';
                      });
    if (!good) return false;
    (is_end ? ends_ : names_).push_back(is_end ? "." + host : host);
    return true;
}

bool HostList::has(std::string_view host) const noexcept {
    return std::ranges::find(names_, host) != names_.end() ||
           std::ranges::any_of(ends_, [host](const std::string& end) { return host.ends_with(end); });
}

void UrlReader::begin_host(std::string_view start) noexcept {
    *this = UrlReader();
    stage_ = start.empty() ? Stage::slashes : Stage::host;
    for (const char c : start) put_host(static_cast<unsigned char>(c));
}

bool UrlReader::put(unsigned char c) noexcept {
    switch (stage_) {
        case Stage::scheme: return put_scheme(c);
        case Stage::root:
            if (c == '&') return hide(), true;  // as in put_scheme(): it may stand for the second slash
            if (!is_slash(c)) return false;
            stage_ = Stage::slashes;
            return true;
        case Stage::slashes:
            if (is_slash(c)) return true;
            stage_ = Stage::host;
            [[fallthrough]];
        case Stage::host: put_host(c); return true;
        case Stage::path:
        case Stage::query: put_coded(c); return true;
        case Stage::opaque: break;
    }
    return true;
}

bool UrlReader::put_scheme(unsigned char c) noexcept {
    if (is_slash(c) && scheme_size_ == 0) {
        stage_ = Stage::root;
        return true;
    }
    if (c == '&') return hide(), true;  // an entity: nobody writes the beginning of an address so who hides nothing
    const bool is_word = is_alnum(c) || c == '+' || c == '-' || c == '.';
    if (is_word && scheme_size_ < scheme_.size()) {
        scheme_[scheme_size_++] = small(c);
        return true;
    }
    if (c != ':') return false;
    const std::string_view scheme(scheme_.data(), scheme_size_);
    suspicious_ = is_code_scheme(scheme) || is_one_of(scheme, {"data", "file"});
    stage_ = suspicious_ ? Stage::opaque : Stage::slashes;
    return suspicious_ || is_one_of(scheme, {"http", "https", "ftp", "ws", "wss"});
}

void UrlReader::put_host(unsigned char c) noexcept {
    if (c == '/' || c == '?' || c == '#') {
        end_host();
        stage_ = c == '/' ? Stage::path : Stage::query;
        return;
    }
    if (c == '@') {
        has_user_ = true;
        host_size_ = 0;
        return;
    }
    suspicious_ |= c == '\\' || c == '&' || c == '%';
    if (host_size_ == host_bytes_max) {
        suspicious_ = true;
        return;
    }
    host_[host_size_++] = small(c);
}

/// A port is nobody else's, and so is a dot at the end.
void UrlReader::end_host() noexcept {
    const std::string_view all = host();
    const size_t colon = all.rfind(':');
    if (colon != all.npos &&
        std::ranges::all_of(all.substr(colon + 1), [](char c) { return is_digit(static_cast<unsigned char>(c)); }))
        host_size_ = static_cast<uint8_t>(colon);
    if (host_size_ > 1 && host_[host_size_ - 1] == '.') host_size_ -= 1;
    uint32_t labels = 1;
    stage_ = Stage::query;  // a word there is as long as it may be in a query
    for (const char c : host()) {
        labels += c == '.';
        const auto byte = static_cast<unsigned char>(c);
        if (is_alnum(byte) || byte >= 0x80)
            put_data(byte);
        else
            end_word();
    }
    end_word();
    has_data_ |= labels > labels_max || host_size_ > host_max;
    value_ = query_ = 0;
}

/// Behind the host: what percents stand for.
void UrlReader::put_coded(unsigned char c) noexcept {
    if (percent_ > 0) {
        if (is_hex(c)) {
            percent_digits_[percent_digits_.size() - percent_] = c;
            percent_ -= 1;
            if (percent_ > 0) return;
            put_data(static_cast<unsigned char>(hex_value(percent_digits_[0]) * 16 + hex_value(percent_digits_[1])));
            return;
        }
        flush_percent();
    }
    if (c == '%') {
        percent_ = 2;
        return;
    }
    const bool opens_query = (c == '?' && stage_ == Stage::path) || c == '#';
    if (opens_query || (stage_ == Stage::query && (c == '&' || c == '='))) {
        end_word();
        stage_ = Stage::query;
        value_ = 0;
        return;
    }
    put_data(c);
}

/// What began as one and is none.
void UrlReader::flush_percent() noexcept {
    const uint32_t held = static_cast<uint32_t>(percent_digits_.size()) - percent_;
    percent_ = 0;
    put_data('%');
    for (uint32_t i = 0; i < held; ++i) put_data(percent_digits_[i]);
}

void UrlReader::put_data(unsigned char c) noexcept {
    if ((c & 0xc0) == 0x80) return;  // of a character that has been counted
    if (stage_ == Stage::path) {
        path_ += 1;
        has_data_ |= path_ > path_max;
    } else {
        query_ += 1;
        value_ += 1;
        has_data_ |= query_ > query_max || value_ > value_max;
    }
    const bool digit = is_digit(c);
    if (!digit && !is_alpha(c) && c < 0x80) return end_word();
    const uint8_t kind = digit ? 1 : is_upper(c) ? 2 : 3;
    word_ += 1;
    digits_ += digit;
    changes_ += word_ > 1 && kind != last_class_ && !(last_class_ == 2 && kind == 3);
    last_class_ = kind;
    has_data_ |= word_ >= word_max;
}

/// Digits and letters of both cases by turns are no word; digits alone may be somebody's number.
void UrlReader::end_word() noexcept {
    const bool in_path = stage_ == Stage::path;
    const bool random = word_ >= (in_path ? random_path_min : random_query_min) && changes_ * 4 >= word_;
    const bool number = digits_ == word_ && word_ >= (in_path ? digits_path_min : digits_query_min);
    has_data_ |= random || number;
    word_ = digits_ = changes_ = 0;
    last_class_ = 0;
}

void UrlReader::finish() noexcept {
    if (percent_ > 0) flush_percent();
    if (stage_ == Stage::host) end_host();
    end_word();
}

}  // namespace loom::guard
