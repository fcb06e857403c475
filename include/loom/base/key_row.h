// One row of the table of configuration keys. Each folder exports the rows of its own keys (`std::span<const KeyRow>
// http::keys()`); app joins them and hands the table to config, from which parser, --check, --keys and conf/loom.conf
// come.
#pragma once

#include <cstdint>

namespace loom {

enum class KeyType : uint8_t {
    boolean,
    integer,
    decimal,
    size,
    duration,
    address,
    share,
    text,
    list,
    choice,
    secret,
    path
};

/// What a change of the key needs.
enum class KeyChange : uint8_t { reload, restart };

struct KeyRow {
    /// `provider.<name>.api_key`. A `<name>` segment matches [A-Za-z0-9_-]+; `<model>` matches any model name (dots
    /// included); `<header>` a header field name.
    const char* pattern;
    KeyType type;
    const char* default_text = "";  // in the conf file's own spelling; "" means unset
    const char* meaning = "";       // one line: what it does and, where it tunes, what it trades
    KeyChange change = KeyChange::reload;
    bool repeatable = false;
    /// choice, and the items of a list: "priority|model"; values not built yet carry a minus: "-round_robin". For a
    /// number or an address: words it may be instead ("auto", "off"); the number is 0 then.
    const char* choices = "";
    const char* alias_of = "";  // another pattern with the same placeholders, whose spelling is canonical
    const char* range = "";     // integer, size, duration: "1..1024" or "4KiB.." in the conf file's own spelling
};

}  // namespace loom
