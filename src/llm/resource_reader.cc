#include "loom/llm/resource_reader.h"

#include <algorithm>
#include <array>

#include "cursor.h"
#include "google_name.h"
#include "loom/llm/json_text.h"
#include "structure.h"

namespace loom::llm {
namespace {

using K = ResourceKind;

struct NamingKey {
    std::string_view name;
    ResourceKind kind;
};
// Whose value is an id, an array of ids, or an object with an `id`.
constexpr std::array naming_keys{
    NamingKey{"file_id", K::file},
    NamingKey{"file_ids", K::file},
    NamingKey{"input_file_id", K::file},
    NamingKey{"training_file", K::file},
    NamingKey{"validation_file", K::file},
    NamingKey{"vector_store_id", K::vector_store},
    NamingKey{"vector_store_ids", K::vector_store},
    NamingKey{"previous_response_id", K::response},
    NamingKey{"conversation", K::conversation},
    NamingKey{"container", K::container},
    NamingKey{"container_id", K::container},
    NamingKey{"assistant_id", K::assistant},
    NamingKey{"thread_id", K::thread},
    NamingKey{"cachedcontent", K::cached_content},
    NamingKey{"cached_content", K::cached_content},
};

// Whose value is an address, which may be one of a file of Gemini's: a translated request brings it there as well.
constexpr std::array address_keys{std::string_view("fileuri"), std::string_view("file_uri"), std::string_view("url"),
                                  std::string_view("image_url"), std::string_view("file_url")};

// Objects of the client's own words.
constexpr std::array free_keys{
    std::string_view("metadata"),  std::string_view("attributes"),   std::string_view("parameters"),
    std::string_view("schema"),    std::string_view("input_schema"), std::string_view("json_schema"),
    std::string_view("arguments"), std::string_view("args"),         std::string_view("response")};

constexpr size_t key_bytes_max = 20;  // previous_response_id
static_assert(std::ranges::all_of(naming_keys, [](const NamingKey& key) { return key.name.size() <= key_bytes_max; }));

ResourceKind kind_of_key(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(naming_keys, name, &NamingKey::name);
    return found == naming_keys.end() ? K::none : found->kind;
}

char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// A key as a lenient parser would read it: decoded, and in lower case. "" for one that is longer than any that counts.
class PlainKey {
  public:
    explicit PlainKey(std::string_view raw) noexcept {
        constexpr size_t escape_bytes = 6;  // \u005f
        if (raw.size() > key_bytes_max * escape_bytes) return;
        std::array<char, key_bytes_max * escape_bytes> room;
        std::string_view name = raw;
        if (raw.find('\\') != raw.npos) {
            const size_t size = unescape(raw, room.data());
            if (size == bad_text) return;
            name = {room.data(), size};
        }
        if (name.size() > key_bytes_max) return;
        size_ = name.size();
        std::ranges::transform(name, text_.begin(), to_lower);
    }
    [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

  private:
    std::array<char, key_bytes_max> text_;
    size_t size_ = 0;
};

/// Walks a request. A fault is the cursor's; `crowded` tells that there were too many ids.
class RequestNames {
  public:
    RequestNames(std::string_view body, Tokens tokens) noexcept : cursor_(body, tokens) {}

    bool run() {
        if (cursor_.peek() != '{') return cursor_.fail_here("the body must be a JSON object");
        const bool good = cursor_.each_member([this](Range key) { return top_member(key); });
        return good && ends();
    }

    /// A line of a batch: the request is its `body`.
    bool run_line() {
        if (cursor_.peek() != '{') return cursor_.fail_here("a JSON object is expected");
        const bool good = cursor_.each_member([this](Range key) {
            const PlainKey plain(inside(cursor_.text(), key));
            if (plain.view() != "body" || cursor_.peek() != '{') return member(plain.view());
            return cursor_.each_member([this](Range inner) { return top_member(inner); });
        });
        return good && ends();
    }
    [[nodiscard]] ResourceRequest& request() noexcept { return request_; }
    [[nodiscard]] const Fault& fault() const noexcept { return cursor_.fault(); }
    [[nodiscard]] bool crowded() const noexcept { return crowded_; }

  private:
    bool ends() { return cursor_.at_end() || cursor_.fail_here("there are bytes behind the JSON object"); }

    bool top_member(Range key) {
        const PlainKey plain(inside(cursor_.text(), key));
        const std::string_view name = plain.view();
        if (name == "model" && cursor_.peek() == '"') {
            if (!request_.model_range.absent()) return cursor_.fail_at(key.offset, "'model' stands twice");
            request_.model_range = cursor_.take_string();
            return text(request_.model_range, request_.model);
        }
        if (name == "file" && cursor_.peek() == '{')
            return cursor_.each_member([this](Range inner) {
                const PlainKey of_file(inside(cursor_.text(), inner));
                request_.names_file |= of_file.view() == "name";
                return member(of_file.view());
            });
        if (name == "purpose" && cursor_.peek() == '"') return text(cursor_.take_string(), request_.purpose);
        if (name == "store") {
            request_.stores = !cursor_.is_false();
            return cursor_.skip_value();
        }
        const bool has_items = name == "input" || name == "items";
        if (has_items && cursor_.peek() == '[')
            return cursor_.each_element([this] { return cursor_.peek() == '{' ? item() : value(); });
        return member(name);
    }

    bool member(std::string_view name) {
        const char first = cursor_.peek();
        if (first == '"' && std::ranges::find(address_keys, name) != address_keys.end()) return address();
        if (const K kind = kind_of_key(name); kind != K::none) return named(kind);
        // A tool's input is an object; a prompt's is text or an array.
        const bool is_free = std::ranges::find(free_keys, name) != free_keys.end() || name == "input";
        if (first == '{' && is_free) return cursor_.skip_value();
        return value();
    }

    bool value() {
        if (cursor_.peek() == '[') return cursor_.each_element([this] { return value(); });
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([this](Range key) {
            const PlainKey plain(inside(cursor_.text(), key));
            return member(plain.view());
        });
    }

    bool named(K kind) {
        if (cursor_.peek() == '"') return note(kind, cursor_.take_string());
        if (cursor_.peek() == '[')
            return cursor_.each_element(
                [&] { return cursor_.peek() == '"' ? note(kind, cursor_.take_string()) : value(); });
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range key) {
            const PlainKey plain(inside(cursor_.text(), key));
            if (plain.view() == "id" && cursor_.peek() == '"') return note(kind, cursor_.take_string());
            return member(plain.view());
        });
    }

    /// Of a response's input or a conversation's items. It stands for one that is stored where it says so, where it
    /// says nothing but an id, and where it is a reasoning without the reasoning, or an image without the image.
    /// Source  OpenAI, "Image generation", multi-turn editing by an image's id.
    bool item() {
        Range id;
        // Of two types, a server may take either.
        bool typed = false, untyped = false, reference = false, reasoning = false, image = false;
        bool has_role = false, has_secret = false, has_image = false;
        const bool good = cursor_.each_member([&](Range key) {
            const PlainKey plain(inside(cursor_.text(), key));
            const std::string_view name = plain.view();
            if (name == "id" && cursor_.peek() == '"') {
                if (!id.absent() && !note(K::item, id)) return false;  // of two, a server may take either
                id = cursor_.take_string();
                return true;
            }
            if (name == "type" && cursor_.peek() == '"') {
                std::string type;
                if (!text(cursor_.take_string(), type)) return false;
                typed = true;
                untyped |= type.empty();
                reference |= type == "item_reference";
                reasoning |= type == "reasoning";
                image |= type == "image_generation_call";
                return true;
            }
            untyped |= name == "type";
            has_role |= name == "role";
            has_secret |= name == "encrypted_content" && cursor_.peek() == '"';
            has_image |= name == "result" && cursor_.peek() == '"';
            return member(name);
        });
        if (!good || id.absent()) return good;
        const bool bare = (!typed || untyped) && !has_role;
        const bool stored = bare || reference || (reasoning && !has_secret) || (image && !has_image);
        return stored ? note(K::item, id) : true;
    }

    bool note(K kind, Range quoted) {
        if (request_.named.size() == ResourceReader::names_max) {
            crowded_ = true;
            return cursor_.fail_at(quoted.offset, "the request names more ids than can be looked up");
        }
        ResourceName name{.kind = kind, .id = {}};
        if (!text(quoted, name.id)) return false;
        if (kind == K::cached_content) name.id = google_id(kind, name.id);
        request_.named.push_back(std::move(name));
        return true;
    }

    bool address() {
        const Range quoted = cursor_.take_string();
        if (inside(cursor_.text(), quoted).starts_with("data:")) return true;
        std::string uri;
        if (!text(quoted, uri)) return false;
        std::string id = gemini_file_of(uri);
        if (id.empty()) return true;
        if (request_.named.size() == ResourceReader::names_max) return note(K::gemini_file, quoted);  // which refuses
        request_.named.push_back({K::gemini_file, std::move(id)});
        return true;
    }

    bool text(Range quoted, std::string& out) {
        return unescape(inside(cursor_.text(), quoted), out) ||
               cursor_.fail_at(quoted.offset, "a string holds a broken escape");
    }

    Cursor cursor_;
    ResourceRequest request_;
    bool crowded_ = false;
};

bool is_google(K kind) noexcept {
    return kind == K::gemini_file || kind == K::gemini_upload || kind == K::cached_content;
}

/// What an answer of Google's calls itself by its `name`, or its `file`.
bool read_google_object(Cursor& cursor, std::vector<ResourceName>& made) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        if (name == "file" && cursor.peek() == '{') return read_google_object(cursor, made);
        if (name != "name" || cursor.peek() != '"') return cursor.skip_value();
        std::string full;
        if (!unescape(inside(cursor.text(), cursor.take_string()), full)) return true;
        for (const K kind : {K::gemini_file, K::cached_content})
            if (full.starts_with(name_prefix(kind))) made.push_back({kind, full.substr(name_prefix(kind).size())});
        return true;
    });
}

/// `files` or `cachedContents`, left out where there are none, and `nextPageToken`.
bool read_google_list_member(Cursor& cursor, Range key, ResourceList& list) {
    const std::string_view name = inside(cursor.text(), key);
    if (name == "nextPageToken" && cursor.peek() == '"') {
        list.next_page.clear();
        (void)unescape(inside(cursor.text(), cursor.take_string()), list.next_page);
        list.has_more = !list.next_page.empty();
        return true;
    }
    if ((name != "files" && name != "cachedContents") || cursor.peek() != '[') return cursor.skip_value();
    if (!list.data_range.absent()) return cursor.fail_at(key.offset, "the list stands twice");
    list.data_range.offset = cursor.offset();
    const bool good = cursor.each_element([&] {
        if (list.elements.size() == ResourceReader::elements_max) return cursor.fail_here("the list is too long");
        ListedResource& element = list.elements.emplace_back();
        if (cursor.peek() != '{') return cursor.skip_value(element.range);
        element.range.offset = cursor.offset();
        std::vector<ResourceName> own;
        if (!read_google_object(cursor, own)) return false;
        if (!own.empty()) element.id = own.front().id;
        element.range.length = cursor.last_end() - element.range.offset;
        return true;
    });
    list.data_range.length = good ? cursor.last_end() - list.data_range.offset : 0;
    return good;
}

/// Ids that an object of an answer brings. The cursor stands at its brace.
class AnswerNames {
  public:
    AnswerNames(Cursor& cursor, std::vector<ResourceName>& made) noexcept : cursor_(cursor), made_(made) {}

    /// own  takes the object's own id.
    bool object(K kind, std::string& own) {
        return cursor_.each_member([&](Range key) {
            const std::string_view name = inside(cursor_.text(), key);
            if (name == "id" && cursor_.peek() == '"') {
                own.clear();
                (void)unescape(inside(cursor_.text(), cursor_.take_string()), own);
                return true;
            }
            return beside(kind, name);
        });
    }

    bool object(K kind) {
        std::string own;
        if (!object(kind, own)) return false;
        if (!own.empty()) made_.push_back({kind, std::move(own)});
        return true;
    }

  private:
    bool beside(K kind, std::string_view name) {
        if (kind == K::batch && (name == "output_file_id" || name == "error_file_id")) return note(K::file);
        if (kind == K::fine_tuning_job && name == "result_files") return each(K::file);
        if (kind == K::upload && name == "file" && cursor_.peek() == '{') return object(K::file);
        if (kind == K::thread && name == "thread_id") return note(K::thread);
        if (kind == K::response && name == "output" && cursor_.peek() == '[')
            return cursor_.each_element([this] { return cursor_.peek() == '{' ? item() : cursor_.skip_value(); });
        return cursor_.skip_value();
    }

    bool item() {
        return cursor_.each_member([this](Range key) {
            const std::string_view name = inside(cursor_.text(), key);
            if (name == "id") return note(K::item);
            if (name == "container_id") return note(K::container);
            return cursor_.skip_value();
        });
    }

    bool note(K kind) {
        if (cursor_.peek() != '"') return cursor_.skip_value();
        std::string id;
        if (unescape(inside(cursor_.text(), cursor_.take_string()), id) && !id.empty())
            made_.push_back({kind, std::move(id)});
        return true;
    }

    bool each(K kind) {
        if (cursor_.peek() != '[') return cursor_.skip_value();
        return cursor_.each_element([&] { return note(kind); });
    }

    Cursor& cursor_;
    std::vector<ResourceName>& made_;
};

bool read_elements(Cursor& cursor, K kind, ResourceList& list) {
    return cursor.each_element([&] {
        if (list.elements.size() == ResourceReader::elements_max) return cursor.fail_here("the list is too long");
        ListedResource& element = list.elements.emplace_back();
        if (cursor.peek() != '{') return cursor.skip_value(element.range);
        element.range.offset = cursor.offset();
        if (!AnswerNames(cursor, element.made).object(kind, element.id)) return false;
        element.range.length = cursor.last_end() - element.range.offset;
        return true;
    });
}

bool read_list_member(Cursor& cursor, Range key, K kind, ResourceList& list) {
    const std::string_view name = inside(cursor.text(), key);
    if (name == "first_id") return cursor.skip_value(list.first_id_range);
    if (name == "last_id") return cursor.skip_value(list.last_id_range);
    if (name == "has_more") {
        list.has_more = cursor.is_true();
        return cursor.skip_value(list.has_more_range);
    }
    if (name != "data" || cursor.peek() != '[') return cursor.skip_value();
    if (!list.data_range.absent()) return cursor.fail_at(key.offset, "'data' stands twice");
    list.data_range.offset = cursor.offset();
    if (!read_elements(cursor, kind, list)) return false;
    list.data_range.length = cursor.last_end() - list.data_range.offset;
    return true;
}

}  // namespace

ResourceReader::ResourceReader() : structure_(std::make_unique<Structure>()) {}
ResourceReader::~ResourceReader() = default;
ResourceReader::ResourceReader(ResourceReader&&) noexcept = default;
ResourceReader& ResourceReader::operator=(ResourceReader&&) noexcept = default;

Result<ResourceRequest> ResourceReader::read_request(std::string_view body) {
    return read_document(body, [](RequestNames& names) { return names.run(); });
}

Result<std::vector<ResourceName>> ResourceReader::read_batch_line(std::string_view line) {
    auto request = LOOM_TRY(read_document(line, [](RequestNames& names) { return names.run_line(); }));
    return std::move(request.named);
}

template <class Run>
Result<ResourceRequest> ResourceReader::read_document(std::string_view document, Run&& run) {
    Tokens tokens;
    Fault fault;
    if (!structure_->index(document, Structure::Utf8::checked, tokens, fault))
        return fail(Errc::bad_message, Side::downstream, fault.what);
    RequestNames names(document, tokens);
    const bool good = run(names);
    structure_->trim();
    if (good) return std::move(names.request());
    return fail(names.crowded() ? Errc::too_large : Errc::bad_message, Side::downstream, names.fault().what);
}

Result<std::vector<ResourceName>> ResourceReader::read_made(ResourceKind kind, std::string_view answer) {
    std::vector<ResourceName> made;
    Tokens tokens;
    Fault fault;
    if (is_google(kind) && answer.empty()) return made;  // of an upload that goes on
    bool good = structure_->index(answer, Structure::Utf8::passed, tokens, fault);
    Cursor cursor(answer, tokens);
    good = good && (is_google(kind) ? read_google_object(cursor, made) : AnswerNames(cursor, made).object(kind));
    good = good && cursor.at_end();
    structure_->trim();
    if (!good) return fail(Errc::bad_message, Side::upstream, "the upstream's answer is no JSON object with an id");
    return made;
}

std::vector<ResourceName> ResourceReader::read_event(std::string_view data) {
    std::vector<ResourceName> made;
    if (data.find("\"response\"") == data.npos) return made;
    Tokens tokens;
    Fault fault;
    if (!structure_->index(data, Structure::Utf8::passed, tokens, fault)) return made;
    Cursor cursor(data, tokens);
    const bool good = cursor.each_member([&](Range key) {
        const bool found = inside(data, key) == "response" && cursor.peek() == '{';
        return found ? AnswerNames(cursor, made).object(K::response) : cursor.skip_value();
    });
    structure_->trim();
    if (!good) made.clear();
    return made;
}

Result<ResourceList> ResourceReader::read_list(ResourceKind kind, std::string_view answer) {
    ResourceList list;
    Tokens tokens;
    Fault fault;
    bool good = structure_->index(answer, Structure::Utf8::passed, tokens, fault);
    Cursor cursor(answer, tokens);
    good = good && cursor.each_member([&](Range key) {
        return is_google(kind) ? read_google_list_member(cursor, key, list) : read_list_member(cursor, key, kind, list);
    });
    good = good && cursor.at_end() && (is_google(kind) || !list.data_range.absent());
    structure_->trim();
    if (!good)
        return fail(Errc::bad_message, Side::upstream,
                    "the upstream's list is no JSON object with 'data': whose its elements are cannot be told");
    return list;
}

Result<void> ResourceReader::write_results_paths(std::string_view answer, std::string& out) {
    constexpr std::string_view path = "/v1/messages/batches/";
    std::vector<Range> origins;
    Tokens tokens;
    Fault fault;
    bool good = structure_->index(answer, Structure::Utf8::passed, tokens, fault);
    Cursor cursor(answer, tokens);
    const auto batch_member = [&](Range key) {
        if (inside(answer, key) != "results_url" || cursor.peek() != '"') return cursor.skip_value();
        const Range url = cursor.take_string();
        const size_t origin_bytes = inside(answer, url).find(path);
        if (origin_bytes != answer.npos) origins.push_back({url.offset + 1, static_cast<uint32_t>(origin_bytes)});
        return true;
    };
    const auto element = [&] { return cursor.peek() == '{' ? cursor.each_member(batch_member) : cursor.skip_value(); };
    good = good && cursor.each_member([&](Range key) {
        const bool is_list = inside(answer, key) == "data" && cursor.peek() == '[';
        return is_list ? cursor.each_element(element) : batch_member(key);
    });
    good = good && cursor.at_end();
    structure_->trim();
    if (!good) return fail(Errc::bad_message, Side::upstream, "the upstream's answer is no JSON object");
    size_t at = 0;
    for (const Range origin : origins) {
        out += answer.substr(at, origin.offset - at);
        at = origin.end();
    }
    out += answer.substr(at);
    return {};
}

void write_list(std::string_view answer, const ResourceList& list, const std::vector<bool>& keeps, std::string& out) {
    struct Splice {
        Range range;
        std::string text;
    };
    std::string kept = "[";
    std::string first = "null", last = "null";
    for (size_t i = 0; i < list.elements.size(); ++i) {
        if (!keeps[i]) continue;
        if (kept.size() > 1) kept += ',';
        kept += text_of(answer, list.elements[i].range);
        last.clear();
        quote(list.elements[i].id, last);
        if (first == "null") first = last;
    }
    std::array splices{Splice{list.data_range, kept + ']'}, Splice{list.first_id_range, first},
                       Splice{list.last_id_range, last}, Splice{list.has_more_range, list.has_more ? "true" : "false"}};
    std::ranges::sort(splices, {}, [](const Splice& splice) { return splice.range.offset; });
    size_t at = 0;
    for (const Splice& splice : splices) {
        if (splice.range.absent()) continue;
        out += answer.substr(at, splice.range.offset - at);
        out += splice.text;
        at = splice.range.end();
    }
    out += answer.substr(at);
}

}  // namespace loom::llm
