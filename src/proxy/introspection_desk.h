// Where a shard asks issuers whose a token is that says nothing by itself (RFC 7662), for requests that wait for it.
//
// It is asked on the shard itself and not on the admin's thread, where other fetches of Loom's own run: a client waits
// for this one, and the admin's thread may be busy with a disk or a long answer of its own for a while. So nothing of
// another thread's is on the way, and each shard has its own table, as it has one of signed tokens; the price is that a
// token may be asked about once on each shard.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "loom/base/auth_failure.h"
#include "loom/base/crypto.h"
#include "loom/base/list.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "loom/tenant/introspection.h"

namespace loom::proxy {

/// Of one token. Immutable: all who wait for it share it.
struct IntrospectionAnswer {
    Result<tenant::JwtIdentity> bearer;
    AuthFailure failure = AuthFailure::inactive;  // of an error
    int64_t asked_unix_s = 0;
};
using IntrospectionAnswerPtr = std::shared_ptr<const IntrospectionAnswer>;

struct InquirerTag;
/// Who waits for an answer. Its end takes it out of the line; the issuer is asked to the end all the same.
class Inquirer : public ListLink<InquirerTag> {
  public:
    virtual ~Inquirer() = default;
    /// Once, from the loop, never inside ask().
    virtual void on_introspected(IntrospectionAnswerPtr answer) noexcept = 0;
};

/// Lives on one shard and is used from its loop alone. Everything is bounded: tokens asked about at once, the time of
/// each, answers, and the table of those that were refused.
class IntrospectionDesk {
  public:
    IntrospectionDesk(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics);
    ~IntrospectionDesk();  // idle() first
    IntrospectionDesk(const IntrospectionDesk&) = delete;

    /// Another configuration is in force: issuers that it does not ask are let go when nobody waits for them.
    void on_new_plan(const Plan& plan);

    /// What its issuer said of this token of late; null: it has to be asked. Good until the next call.
    [[nodiscard]] IntrospectionAnswerPtr known(const JwtPlan& issuer, const Sha256& digest,
                                               int64_t now_unix_s) noexcept;
    /// Tells `inquirer` what the issuer says. Equal tokens that are asked about at once are asked about once.
    /// token   which is_opaque_token().      digest  its SHA-256.
    /// Errors  exhausted (internal): as many tokens are asked about as may be.
    [[nodiscard]] Result<void> ask(const JwtPlan& issuer, std::string_view token, const Sha256& digest,
                                   Inquirer& inquirer);

    /// Ends what runs: nobody waits any more.
    void close() noexcept;
    [[nodiscard]] bool idle() noexcept;

    static constexpr size_t active_count_max = 2048;
    static constexpr size_t refused_count_max = 1024;        // apart from those, so that no guesses displace them
    static constexpr size_t kept_document_bytes_max = 4096;  // one that is larger is asked about each time

  private:
    class Source;
    /// Set-associative by the digest: where all places are taken, the one goes that is over first.
    class Table {
      public:
        explicit Table(size_t count_max) : count_max_(count_max) {}
        [[nodiscard]] IntrospectionAnswerPtr find(const Sha256& digest, const IntrospectionPlan* issuer,
                                                  int64_t now_unix_s) noexcept;
        void put(const Sha256& digest, const IntrospectionPlan* issuer, int64_t until_unix_s,
                 IntrospectionAnswerPtr answer);
        /// All but those of these.
        void keep_only(const std::vector<const IntrospectionPlan*>& issuers) noexcept;

      private:
        struct Entry {
            Sha256 digest{};
            const IntrospectionPlan* issuer = nullptr;
            int64_t until_unix_s = 0;
            IntrospectionAnswerPtr answer;  // null: free
        };
        static constexpr size_t ways = 4;
        [[nodiscard]] Entry* set_of(const Sha256& digest) noexcept;
        std::vector<Entry> entries_;  // none until the first
        size_t count_max_;
    };
    [[nodiscard]] Source& source_of(const JwtPlan& issuer);
    void sweep() noexcept;

    io::Shard& shard_;
    net::NameService& names_;
    observe::ShardMetrics& metrics_;
    tenant::IntrospectionReader reader_;
    std::vector<std::unique_ptr<Source>> sources_;
    Table active_{active_count_max};
    Table refused_{refused_count_max};
    bool closed_ = false;
};

}  // namespace loom::proxy
