// Gemini's files, which go on at an address of their own, and its lists, whose pages have tokens.
#include "google_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client_connection.h"
#include "exchange.h"
#include "header_policy.h"
#include "loom/base/percent.h"
#include "loom/llm/json_text.h"
#include "loom/llm/models.h"
#include "ownership.h"
#include "query.h"

namespace loom::proxy {
namespace {

/// What the address of an upload is signed with: it leads to this upload alone.
std::string upload_signature_text(std::string_view id) { return fmt::format("loom upload {}", id); }

/// Of bytes, and of nothing that says what file they are.
bool is_of_upload(std::string_view command) noexcept {
    while (!command.empty()) {
        std::string_view one = command.substr(0, command.find(','));
        command.remove_prefix(std::min(command.size(), one.size() + 1));
        while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
        while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
        constexpr std::array commands{std::string_view("upload"), std::string_view("finalize"),
                                      std::string_view("query"), std::string_view("cancel")};
        const auto is_one = [one](std::string_view known) { return http::equal_ignoring_case(one, known); };
        if (std::ranges::none_of(commands, is_one)) return false;
    }
    return true;
}

}  // namespace

bool GoogleFiles::is_upload(const http::RequestHead& head) const noexcept {
    return x_.endpoint_ == llm::Endpoint::gemini_files && head.path.starts_with("/upload/");
}

/// The query of what goes on is made anew from its id alone, so that nothing else in it is another's upload.
Result<void> GoogleFiles::admit_upload(const http::RequestHead& head) {
    const std::string_view id = query_value(head.query, "upload_id");
    if (head.method != http::Method::post)
        return fail(Errc::bad_method, Side::downstream, "uploads are begun, and gone on with, by POST");
    if (!id.empty() && !llm::is_resource_id(id))
        return fail(Errc::not_found, Side::downstream, "nothing is stored here under this id");
    for (const http::Header& header : head.headers())
        if (!id.empty() && http::equal_ignoring_case(header.name, "x-goog-upload-command") &&
            !is_of_upload(header.value))
            return fail(Errc::bad_message, Side::downstream,
                        "an upload is gone on with by the commands upload, finalize, query and cancel");
    x_.owned_ = std::make_unique<Ownership>(x_, x_.services_, llm::upload_call(!id.empty()), x_.text_.keep(id));
    return {};
}

/// An upload that has begun takes bytes: what would have them read as a form, or begin another one, stays here. Nothing
/// else is an upload.
bool GoogleFiles::passes_field(const http::Header& header) const noexcept {
    if (x_.endpoint_ != llm::Endpoint::gemini_files) return false;
    if (x_.owned_ == nullptr) return true;
    return x_.owned_->call.kind == llm::ResourceKind::gemini_upload &&
           (x_.owned_->id.empty() || goes_on_with_upload(header));
}

/// Who goes on with an upload may be known by the address alone, as at Google: SDKs send no key there.
const tenant::Consumer* GoogleFiles::signer(const http::RequestHead& head) const {
    if (!is_upload(head)) return nullptr;
    const std::string_view id = query_value(head.query, "upload_id");
    std::string name;
    if (id.empty() || !llm::decode_path_id(query_value(head.query, "loom_consumer"), name)) return nullptr;
    return x_.plan().consumers.find_signer(name, upload_signature_text(id), query_value(head.query, "loom_signature"));
}

/// What the provider is asked, and where the client is to be told that it goes on.
void GoogleFiles::aim_upload(const http::RequestHead& head) {
    const bool trusted = !x_.client_text_.empty() && head.value_of(http::HeaderId::x_forwarded_proto) == "https";
    const bool https = x_.client_->is_tls() || trusted;
    if (!head.host.empty()) x_.owned_->upload_origin = x_.text_.join(https ? "https" : "http", "://", head.host);
    constexpr std::string_view by_id = "?upload_protocol=resumable&upload_id=";
    x_.target_ = x_.owned_->id.empty() ? x_.path_ : x_.text_.join(x_.path_, by_id, x_.owned_->id);
}

/// Where an upload goes on is an address of the provider's: its client is told one of Loom's, which is as good as a key
/// for this upload, and only for it.
Result<void> GoogleFiles::take_upload_url(std::vector<llm::ResourceName>& made) {
    const std::string_view url = x_.owned_->collected().upload_url();
    if (url.empty() || !x_.owned_->id.empty()) return {};
    const size_t mark = url.find('?');
    const std::string_view id = query_value(mark == url.npos ? "" : url.substr(mark + 1), "upload_id");
    if (!llm::is_resource_id(id))
        return fail(Errc::bad_message, Side::upstream, "the upstream's upload has no id that can be gone on with");
    x_.owned_->upload_url =
        fmt::format("{}{}?upload_id={}&upload_protocol=resumable", x_.owned_->upload_origin, x_.path_, id);
    if (x_.consumer_ != nullptr) {
        x_.owned_->upload_url += "&loom_consumer=";
        percent_encode(x_.consumer_->name, x_.owned_->upload_url);
        const auto signature = hex_of(hmac_sha256(x_.owned_->key_hash, upload_signature_text(id)));
        x_.owned_->upload_url.append("&loom_signature=").append(signature.data(), signature.size());
    }
    made.push_back({llm::ResourceKind::gemini_upload, std::string(id)});
    return {};
}

/// A page of Google's that has elements is the last one where nothing of the client's follows: its SDKs read on
/// wherever there is a token, and take what comes then for an element.
Result<void> GoogleFiles::deliver_list() {
    const llm::ResourceList& list = x_.owned_->list;
    const bool any = std::ranges::find(x_.owned_->keeps, true) != x_.owned_->keeps.end();
    const bool ahead = !x_.owned_->page.empty();  // only to see whether there is more
    if (!ahead && (any || !list.has_more)) write_page();
    const bool look_on = list.has_more && (ahead ? !any : true) && x_.owned_->pages < pages_max;
    if (look_on) return x_.ask_for_next_page();
    if (x_.owned_->page.empty()) return x_.ask_for_next_page();  // which refuses
    const bool more = ahead ? any || list.has_more : list.has_more;
    if (more) {
        std::string token;
        llm::quote(x_.owned_->page_token, token);
        x_.owned_->page.insert(x_.owned_->page.size() - 1, fmt::format(",\"nextPageToken\":{}", token));
    }
    return x_.reply_own(x_.owned_->page);
}

/// The client's own of the page at hand, without its token. Such a list has nothing else.
void GoogleFiles::write_page() {
    const std::string_view answer = x_.owned_->collected().body();
    const std::string_view prefix = llm::name_prefix(x_.owned_->call.kind);
    std::string kept;
    for (size_t i = 0; i < x_.owned_->keeps.size(); ++i) {
        if (!x_.owned_->keeps[i]) continue;
        kept += kept.empty() ? "" : ",";
        kept += llm::text_of(answer, x_.owned_->list.elements[i].range);
    }
    x_.owned_->page = "{}";
    if (!kept.empty()) x_.owned_->page = fmt::format(R"({{"{}":[{}]}})", prefix.substr(0, prefix.size() - 1), kept);
    x_.owned_->page_token = x_.owned_->list.next_page;
}

/// Google's pages have tokens, and are as long as the client wants them.
Result<void> GoogleFiles::ask_for_page() {
    std::string target(x_.target_.substr(0, x_.target_.find('?')));
    target += "?pageToken=";
    percent_encode(x_.owned_->list.next_page, target);
    bool sized = false;
    for (std::string_view rest = x_.query(); !rest.empty();) {
        const std::string_view parameter = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
        sized = sized || parameter.starts_with("pageSize=");
        if (!parameter.starts_with("pageToken=")) target.append("&").append(parameter);
    }
    if (!sized) target += fmt::format("&pageSize={}", page_limit);
    x_.ask_again_at(target);
    return {};
}

}  // namespace loom::proxy
