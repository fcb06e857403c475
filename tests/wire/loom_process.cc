#include "loom_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "raw_client.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

std::string replace_all(std::string text, std::string_view from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::string make_directory() {
    std::string pattern = (fs::temp_directory_path() / "loom-wire-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw WireError("no temporary directory");
    return pattern;
}

std::string loom_binary() {
    const char* path = std::getenv("LOOM_BIN");
    if (path == nullptr || !fs::exists(path))
        throw WireError("LOOM_BIN does not name the loom binary (run by meson test)");
    return path;
}

pid_t spawn(const std::string& conf_path, const std::string& log_path, size_t descriptors_max = 0) {
    const std::string binary = loom_binary();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw WireError("fork failed");
    if (child > 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no Loom outlives a test program that crashed
    if (::getppid() != parent) ::_exit(127);
    const int log = ::open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(nothing, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    const rlimit limit{.rlim_cur = descriptors_max, .rlim_max = descriptors_max};
    if (descriptors_max > 0 && ::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::_exit(127);
    ::execl(binary.c_str(), binary.c_str(), "-config", conf_path.c_str(), nullptr);
    ::_exit(127);
}

bool is_ready(uint16_t admin_port) {
    try {
        return ask_once(admin_port, "GET /readyz HTTP/1.1\r\nHost: loom\r\nConnection: close\r\n\r\n").status() == 200;
    } catch (const WireError&) {
        return false;
    }
}

}  // namespace

LoomProcess::LoomProcess(std::string conf, size_t descriptors_max) : directory_(make_directory()) {
    raise_descriptor_limit();
    // A free port may be taken by somebody else before Loom binds it: three tries.
    for (int tries_left = 3;; --tries_left) {
        main_port_ = free_port();
        admin_port_ = free_port();
        write_conf(conf);
        start(descriptors_max);
        const Deadline deadline = Deadline::standard();
        while (is_running() && !is_ready(admin_port_)) {
            deadline.check("/readyz; Loom's log:\n" + log());
            pause_between_polls();
        }
        if (is_running()) return;
        const std::string text = log();
        if (tries_left == 1 || text.find("in use") == std::string::npos)
            throw WireError("Loom did not start:\n" + text);
    }
}

std::string LoomProcess::check_conf() const {
    const std::string command = loom_binary() + " --check " + path("loom.conf") + " 2>&1";
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw WireError("popen failed");
    std::string text;
    std::array<char, 4096> part;
    while (const size_t size = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), size);
    if (::pclose(pipe) != 0) throw WireError("loom --check failed:\n" + text);
    return text;
}

LoomProcess::~LoomProcess() {
    if (is_running()) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

Exit LoomProcess::run_to_end(const std::string& conf) {
    const std::string directory = make_directory();
    const std::string text =
        replace_all(replace_all(conf, "@MAIN@", std::to_string(free_port())), "@ADMIN@", std::to_string(free_port()));
    std::ofstream(directory + "/loom.conf") << replace_all(text, "@DIR@", directory);
    const pid_t pid = spawn(directory + "/loom.conf", directory + "/loom.log");
    int status = 0;
    const Deadline deadline = Deadline::standard();
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (deadline.passed()) ::kill(pid, SIGKILL);
        pause_between_polls();
    }
    Exit exit;
    exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit.log = read_file(directory + "/loom.log");
    fs::remove_all(directory);
    return exit;
}

void LoomProcess::start(size_t descriptors_max) { pid_ = spawn(path("loom.conf"), path("loom.log"), descriptors_max); }

std::string LoomProcess::write_conf(std::string conf) const {
    conf = replace_all(std::move(conf), "@MAIN@", std::to_string(main_port_));
    conf = replace_all(std::move(conf), "@ADMIN@", std::to_string(admin_port_));
    conf = replace_all(std::move(conf), "@DIR@", directory_);
    std::ofstream(path("loom.conf"), std::ios::trunc) << conf;
    return conf;
}

std::string LoomProcess::log() const { return read_file(path("loom.log")); }

std::string LoomProcess::access_log() const { return read_file(path("access.log")); }

std::string LoomProcess::wait_for_line(std::string_view file, std::string_view text) const {
    std::string found;
    wait_until("a line of " + std::string(file) + " with " + std::string(text), [&] {
        std::istringstream lines(read_file(path(file)));
        for (std::string line; std::getline(lines, line);) {
            if (line.find(text) != std::string::npos) found = line;
        }
        return !found.empty();
    });
    return found;
}

void LoomProcess::reload(std::string conf, bool accepted) {
    const std::string counter =
        accepted ? "loom_config_reloads_total{result=\"success\"}" : "loom_config_reloads_total{result=\"error\"}";
    const double before = metric(counter);
    write_conf(std::move(conf));
    signal(SIGHUP);
    wait_until(counter + " to rise", [&] { return metric(counter) > before; });
}

void LoomProcess::signal(int number) const { ::kill(pid_, number); }

bool LoomProcess::is_running() {
    if (pid_ < 0) return false;
    siginfo_t info{};
    // WNOWAIT: the exit status stays for wait_for_exit.
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

Exit LoomProcess::wait_for_exit(Deadline deadline) {
    Exit exit;
    if (pid_ < 0) return exit;
    wait_until("Loom's end", [this] { return !is_running(); }, deadline);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit.log = log();
    return exit;
}

void LoomProcess::stop_cleanly() {
    if (pid_ < 0) return;
    signal(SIGTERM);
    const Exit exit = wait_for_exit();
    const std::string complaint = complaint_in(exit.log);
    if (!complaint.empty()) throw WireError("Loom's log holds: " + complaint + "\n" + exit.log.substr(0, 8000));
    if (exit.code != 0) {
        throw WireError("Loom ended with code " + std::to_string(exit.code) + ", signal " +
                        std::to_string(exit.signal) + ":\n" + exit.log);
    }
}

std::string LoomProcess::complaint_in(const std::string& log) {
    constexpr std::array<std::string_view, 7> complaints = {
        "broken promise:",  "ERROR: AddressSanitizer",    "ERROR: LeakSanitizer",    "runtime error:",
        "terminate called", "UndefinedBehaviorSanitizer", "WARNING: ThreadSanitizer"};
    for (const std::string_view complaint : complaints) {
        if (log.find(complaint) != std::string::npos) return std::string(complaint);
    }
    return "";
}

size_t LoomProcess::resident_bytes() const {
    std::istringstream status(read_file("/proc/" + std::to_string(pid_) + "/status"));
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
    throw WireError("no VmRSS");
}

size_t LoomProcess::descriptor_count() const {
    const fs::directory_iterator entries("/proc/" + std::to_string(pid_) + "/fd");
    return static_cast<size_t>(std::distance(fs::begin(entries), fs::end(entries)));
}

std::string LoomProcess::descriptors() const {
    std::string text;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid_) + "/fd"))
        text += entry.path().filename().string() + " " + fs::read_symlink(entry.path(), gone).string() + "; ";
    return text;
}

std::map<std::string, double> LoomProcess::metrics() const {
    const Message answer = ask_once(admin_port_, "GET /metrics HTTP/1.1\r\nHost: loom\r\nConnection: close\r\n\r\n");
    if (answer.status() != 200) throw WireError("/metrics answers " + answer.head.start_line);
    return parse_metrics(answer.body);
}

double LoomProcess::metric(const std::string& name) const {
    const auto all = metrics();
    const auto found = all.find(name);
    return found == all.end() ? 0 : found->second;
}

double LoomProcess::metric_sum(std::string_view family) const {
    double sum = 0;
    for (const auto& [name, value] : metrics()) {
        if (std::string_view(name).substr(0, name.find('{')) == family) sum += value;
    }
    return sum;
}

double sum_where(const std::map<std::string, double>& metrics, std::string_view family,
                 const std::vector<std::string>& labels) {
    double sum = 0;
    for (const auto& [name, value] : metrics) {
        const bool is_of_family = std::string_view(name).substr(0, name.find('{')) == family;
        const bool has_labels =
            std::all_of(labels.begin(), labels.end(), [&](const auto& l) { return name.find(l) != std::string::npos; });
        if (is_of_family && has_labels) sum += value;
    }
    return sum;
}

bool Eventually::comes_to(double expected) const {
    const Deadline deadline = Deadline::in(std::chrono::seconds(5));
    do seen_ = read_();
    while (seen_ != expected && !deadline.passed());
    return seen_ == expected;
}

Eventually LoomProcess::eventually(std::string name) const {
    return Eventually([this, name = std::move(name)] { return metric(name); });
}

Eventually LoomProcess::eventually_sum(std::string family) const {
    return Eventually([this, family = std::move(family)] { return metric_sum(family); });
}

Eventually LoomProcess::eventually_where(std::string family, std::vector<std::string> labels) const {
    return Eventually([this, family = std::move(family), labels = std::move(labels)] {
        return sum_where(metrics(), family, labels);
    });
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::map<std::string, double> parse_metrics(std::string_view text) {
    std::map<std::string, double> metrics;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.starts_with('#')) continue;
        // A label's value may hold a space: the sample is split behind the closing brace.
        const size_t brace = line.rfind('}');
        const size_t space = line.find(' ', brace == std::string::npos ? 0 : brace);
        if (space == std::string::npos) throw WireError("no metric line: " + line);
        metrics[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
    return metrics;
}

}  // namespace loom::wire
