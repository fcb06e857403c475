// The real `loom` binary (path in LOOM_BIN) as a child process with a conf file of its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "socket.h"

namespace loom::wire {

struct Exit {
    int code = -1;  // -1 when a signal ended it
    int signal = 0;
    std::string log;  // standard output and error
};

/// What a counter comes to. A client may have its answer before its request is counted, so that who compares this with
/// a number waits, for a while, until they are equal.
class Eventually {
  public:
    explicit Eventually(std::function<double()> read) : read_(std::move(read)) {}
    template <class Number>
        requires std::is_arithmetic_v<Number>
    friend bool operator==(const Eventually& one, Number expected) {
        return one.comes_to(static_cast<double>(expected));
    }
    operator double() const { return read_(); }  // as it is now
    friend void PrintTo(const Eventually& one, std::ostream* out) { *out << one.seen_; }

  private:
    bool comes_to(double expected) const;

    std::function<double()> read_;
    mutable double seen_ = 0;
};

class LoomProcess {
  public:
    /// `conf` may say @MAIN@ and @ADMIN@ (free ports) and @DIR@ (a directory of its own). Returns once /readyz answers
    /// 200. It may open `descriptors_max` descriptors; 0: as many as this process.
    explicit LoomProcess(std::string conf, size_t descriptors_max = 0);
    ~LoomProcess();
    LoomProcess(const LoomProcess&) = delete;

    /// Starts it and waits for its end, for confs that must be refused.
    static Exit run_to_end(const std::string& conf);

    uint16_t port() const { return main_port_; }
    uint16_t admin_port() const { return admin_port_; }
    pid_t pid() const { return pid_; }
    std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
    std::string log() const;
    std::string access_log() const;
    /// Waits until the access log holds `text`, and returns the line.
    std::string wait_for_access_line(std::string_view text) const { return wait_for_line("access.log", text); }
    /// Likewise of another log in @DIR@.
    std::string wait_for_line(std::string_view file, std::string_view text) const;

    /// Writes the conf anew and sends SIGHUP; waits until the new one is in force (or, if `accepted` is false,
    /// refused): loom_config_reloads_total{result="success"} or {result="error"} has risen.
    void reload(std::string conf, bool accepted = true);
    /// What `loom --check` prints of this conf.
    std::string check_conf() const;
    void signal(int number) const;
    bool is_running();
    /// SIGTERM, then the exit code, which must be 0, and a log without a broken promise or a sanitizer's report.
    void stop_cleanly();
    Exit wait_for_exit(Deadline deadline = Deadline::in(std::chrono::seconds(20)));
    /// What went wrong in its log, "" when nothing did.
    static std::string complaint_in(const std::string& log);

    size_t resident_bytes() const;
    size_t descriptor_count() const;
    std::string descriptors() const;  // what they are, for who has too many
    std::map<std::string, double> metrics() const;
    /// The metric with this spelling, labels included; absent is 0.
    double metric(const std::string& name) const;
    /// The sum over all label sets of a family.
    double metric_sum(std::string_view family) const;
    Eventually eventually(std::string name) const;
    Eventually eventually_sum(std::string family) const;
    /// Over the label sets that hold all of these.
    Eventually eventually_where(std::string family, std::vector<std::string> labels) const;

  private:
    void start(size_t descriptors_max);
    std::string write_conf(std::string conf) const;

    std::string directory_;
    uint16_t main_port_ = 0;
    uint16_t admin_port_ = 0;
    pid_t pid_ = -1;
};

std::string read_file(const std::string& path);
std::map<std::string, double> parse_metrics(std::string_view text);
[[nodiscard]] double sum_where(const std::map<std::string, double>& metrics, std::string_view family,
                               const std::vector<std::string>& labels = {});

}  // namespace loom::wire
