// Who asks the register of ids: one question at a time, answered on the asker's shard within a bound of time.
#pragma once

#include <memory>

#include "loom/io/shard.h"
#include "loom/store/resource_register.h"

namespace loom::proxy {

class Services;

class RegisterAsker {
  public:
    RegisterAsker(const RegisterAsker&) = delete;
    static constexpr uint64_t wait_ms = 5'000;

  protected:
    explicit RegisterAsker(Services& services) noexcept : services_(services) {}
    ~RegisterAsker();

    /// on_register_answer follows, in a later turn and within wait_ms whatever becomes of the register.
    void ask_register(store::ResourceQuestion question);
    [[nodiscard]] bool waits_for_register() const noexcept { return ticket_ != nullptr; }
    /// The answer is nobody's any more: on_register_answer does not follow.
    void forget_register() noexcept;
    virtual void on_register_answer(Result<store::ResourceAnswer> answer) noexcept = 0;

  private:
    /// Outlives the asker where the register is slow.
    struct Ticket {
        RegisterAsker* asker;
    };
    struct Deadline : io::Timer {
        explicit Deadline(RegisterAsker& a) : Timer(&RegisterAsker::on_deadline), asker(a) {}
        RegisterAsker& asker;
    };
    static void on_deadline(io::Timer& timer) noexcept;
    void take(Result<store::ResourceAnswer> answer) noexcept;

    Services& services_;
    std::shared_ptr<Ticket> ticket_;  // null: nothing is asked
    Deadline deadline_{*this};
};

}  // namespace loom::proxy
