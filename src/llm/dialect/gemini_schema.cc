#include <algorithm>

#include "gemini.h"

namespace loom::llm::gemini {

namespace {

bool is_type_word(std::string_view word) noexcept {
    constexpr std::array<std::string_view, 7> words = {"STRING", "NUMBER", "INTEGER", "BOOLEAN",
                                                       "ARRAY",  "OBJECT", "NULL"};
    return std::ranges::find(words, word) != words.end();
}

/// proto JSON prints an int64 in quotes; JSON Schema wants a number.
bool is_count(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 6> names = {"maxItems",  "minItems",      "maxLength",
                                                       "minLength", "maxProperties", "minProperties"};
    return std::ranges::find(names, name) != names.end();
}

bool is_known(std::string_view name) noexcept {
    return name == "anyOf" || name == "propertyOrdering" || name == "additionalProperties" || is_count(name);
}

/// Rewrites one schema after the other; depth is the cursor's to bound.
class SchemaReader {
  public:
    SchemaReader(Cursor& cursor, ArenaText& out) noexcept : cursor_(cursor), out_(out) {}

    bool schema() {
        if (cursor_.peek() != '{') return verbatim();
        Open open{.begin = out_.size() + 1};
        out_.append("{");
        if (!cursor_.each_member([&](Range key) { return member(key, open); })) return false;
        if (open.nullable && open.type_end > 0) {
            out_.insert(open.type_end, R"(,"null"])");
            out_.insert(open.type_begin, "[");
        }
        out_.append("}");
        return true;
    }

  private:
    struct Open {
        size_t begin;  // behind the brace
        bool nullable = false;
        size_t type_begin = 0, type_end = 0;  // of the value of "type"; 0 where there is none
    };

    bool member(Range key, Open& open) {
        const std::string_view spelled = name_of(cursor_, key);
        const FieldName field(spelled);
        if (field == "nullable" && (cursor_.is_true() || cursor_.is_false())) {
            open.nullable = cursor_.is_true();
            return cursor_.skip_value();
        }
        if (field == "type" && cursor_.peek() == '"') return type(open);
        if (out_.size() > open.begin) out_.append(",");
        out_.append("\"").append(is_known(field.view()) ? field.view() : spelled).append("\":");
        if (field == "properties") return properties();
        if (field == "items" || field == "additionalProperties") return schema();
        if (field == "anyOf" && cursor_.peek() == '[') return alternatives();
        return is_count(field.view()) && cursor_.peek() == '"' ? count() : verbatim();
    }

    bool type(Open& open) {
        const std::string_view word = inside(cursor_.text(), cursor_.take_string());
        if (word == "TYPE_UNSPECIFIED" || open.type_end > 0) return true;
        if (out_.size() > open.begin) out_.append(",");
        out_.append("\"type\":");
        open.type_begin = out_.size();
        out_.append("\"");
        for (const char c : word) {
            const char lower = is_type_word(word) ? static_cast<char>(c - 'A' + 'a') : c;
            out_.append({&lower, 1});
        }
        out_.append("\"");
        open.type_end = out_.size();
        return true;
    }

    /// Names of properties are the application's own: none of them is a keyword.
    bool properties() {
        if (cursor_.peek() != '{') return verbatim();
        out_.append("{");
        const size_t begin = out_.size();
        const bool good = cursor_.each_member([&](Range key) {
            if (out_.size() > begin) out_.append(",");
            out_.append(text_of(cursor_.text(), key)).append(":");
            return schema();
        });
        out_.append("}");
        return good;
    }

    bool alternatives() {
        out_.append("[");
        const size_t begin = out_.size();
        const bool good = cursor_.each_element([&] {
            if (out_.size() > begin) out_.append(",");
            return schema();
        });
        out_.append("]");
        return good;
    }

    bool count() {
        const Range quoted = cursor_.take_string();
        const std::string_view digits = inside(cursor_.text(), quoted);
        const bool good = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
        out_.append(good ? digits : text_of(cursor_.text(), quoted));
        return true;
    }

    bool verbatim() {
        Range range;
        if (!cursor_.skip_value(range)) return false;
        out_.append(text_of(cursor_.text(), range));
        return true;
    }

    Cursor& cursor_;
    ArenaText& out_;
};

}  // namespace

bool read_schema(Cursor& cursor, Context& context, Json& schema) {
    if (cursor.is_null()) return cursor.skip_value();
    ArenaText out(context.arena, 512);
    if (!SchemaReader(cursor, out).schema()) return false;
    schema = out.view();
    return true;
}

}  // namespace loom::llm::gemini
