// What an attempt says of who asks where that is no line of the conf: AWS's signature of this very request,
// Google's access token of the hour.
#include "credentials.h"

#include "body_digest.h"
#include "exchange.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr size_t signature_names_bytes = 96;  // of the three headers that a signed request carries

constexpr std::string_view bedrock_service = "bedrock";  // in a signature's scope

}  // namespace

std::unique_ptr<http::SigV4Signer> make_signer(const InstancePlan& instance) {
    if (instance.aws_keys == nullptr) return nullptr;
    const AwsKeys& keys = *instance.aws_keys;
    auto signer = std::make_unique<http::SigV4Signer>(keys.region, bedrock_service);
    signer->use({.access_key_id = keys.access_key_id,
                 .secret_access_key = keys.secret_access_key.view(),
                 .session_token = keys.session_token.view()});
    return signer;
}

size_t InstancePlan::credentials_bytes_max() const noexcept {
    if (google_account != 0) return access_token_bytes_max;
    if (aws_keys == nullptr) return 0;
    return http::SigV4Signer::out_bytes_max + signature_names_bytes + aws_keys->session_token.view().size();
}

Result<void> Exchange::write_credentials(http::HeadWriter& head, std::string_view base, std::string_view rest) {
    if (instance_->aws_keys != nullptr) return sign(head, base, rest);
    if (instance_->google_account != 0) head.raw(LOOM_TRY(access_token_line()));
    return {};
}

/// Requests that come before the first token, or after the last, are told so: none waits for it.
Result<std::string_view> Exchange::access_token_line() {
    const AccessToken* const token = services_.access_token(instance_->google_account);
    detail_ = provider_->name;
    if (token == nullptr)
        return fail(Errc::unauthenticated, Side::internal,
                    "no access token has been fetched for this provider yet; Loom's log tells of faults");
    if (token->expires_s <= services_.wall_now_us() / 1'000'000)
        return fail(Errc::unauthenticated, Side::internal,
                    "this provider's access token has expired and could not be renewed; Loom's log says why");
    detail_ = {};
    return token->line.view();
}

/// The provider refused this attempt: if that was for its token, another one is fetched, off the requests' way.
void Exchange::note_refused_token() const noexcept {
    if (instance_ == nullptr || instance_->google_account == 0) return;
    const AccessToken* const token = services_.access_token(instance_->google_account);
    // One that has come since is not the one that was refused.
    if (token != nullptr && attempt_->head.view().find(token->line.view()) != std::string_view::npos)
        token->refused.store(true, std::memory_order_relaxed);
}

/// Is a large document that has to be signed still being hashed? Every attempt takes the same digest.
bool Exchange::hashes_document() {
    if (client_gone_ || instance_ == nullptr || instance_->aws_keys == nullptr || translated_ == nullptr) return false;
    if (document().size() <= BodyDigest::turn_bytes) return false;
    LOOM_ASSERT(draft_->edits.empty());  // a translated document is as its provider wants it
    std::unique_ptr<BodyDigest>& digest = translated_->digest;
    if (digest == nullptr) digest = std::make_unique<BodyDigest>(&Exchange::on_digest_turn, *this);
    if (!digest->whole()) digest->go_on(document());
    if (digest->whole()) return false;
    services_.shard().schedule_next_tick(*digest);
    return true;
}

void Exchange::on_digest_turn(io::Runnable& digest) noexcept { static_cast<BodyDigest&>(digest).exchange.wake(); }

size_t Exchange::credentials_bytes() const noexcept {
    const AccessToken* const token =
        instance_->google_account == 0 ? nullptr : services_.access_token(instance_->google_account);
    return token != nullptr ? token->line.view().size() : instance_->credentials_bytes_max();
}

/// base, rest  of the target, as the request line has them.
Result<void> Exchange::sign(http::HeadWriter& head, std::string_view base, std::string_view rest) {
    LOOM_ASSERT(draft_ != nullptr);  // admit lets nothing pass unread to a provider whose requests are signed
    std::array<std::string_view, llm::Edits::pieces_max> pieces;
    size_t piece_count = 0;
    draft_->edits.gather(document(), [&](std::string_view piece) { pieces[piece_count++] = piece; });
    const std::string_view target = text_.join(base, rest, "");
    const size_t mark = std::min(target.find('?'), target.size());
    const std::string_view content_type = translated_ != nullptr ? "application/json" : family_->content_type;
    const http::SignedHeader type_header{.name = "content-type", .value = content_type};
    std::array<char, http::SigV4Signer::out_bytes_max> room;
    http::SigV4Signer& signer =
        *use_->instances[static_cast<size_t>(provider_ - plan().providers.data())][instance_ix()].signer;
    const bool hashed = translated_ != nullptr && translated_->digest != nullptr && translated_->digest->whole();
    const http::SigV4Headers lines =
        LOOM_TRY(signer.sign({.method = method_text_,
                              .host = instance_->authority,
                              .path = target.substr(0, mark),
                              .query = target.substr(std::min(mark + 1, target.size())),
                              .headers = {&type_header, content_type.empty() ? size_t{0} : size_t{1}},
                              .body = {pieces.data(), piece_count},
                              .body_digest = hashed ? &translated_->digest->value() : nullptr},
                             services_.wall_now_us() / 1'000'000, room));
    head.header("x-amz-date", lines.date);
    if (!lines.security_token.empty()) head.header("x-amz-security-token", lines.security_token);
    head.header("authorization", lines.authorization);
    return {};
}

}  // namespace loom::proxy
