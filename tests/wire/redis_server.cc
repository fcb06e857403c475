#include "redis_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "socket.h"

namespace loom::wire {
namespace {

std::string make_directory() {
    char name[] = "/tmp/loom-redis-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw WireError("no temporary directory");
    return name;
}

std::string command(const std::vector<std::string>& words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return text;
}

/// Where the value that begins at `at` ends; 0: not yet.
size_t end_of_value(std::string_view text, size_t at) {
    const size_t line = text.find("\r\n", at);
    if (line == text.npos) return 0;
    const long number = std::strtol(text.data() + at + 1, nullptr, 10);
    size_t end = line + 2;
    if (text[at] == '$' && number >= 0) end += static_cast<size_t>(number) + 2;
    if (text[at] == '*')
        for (long i = 0; i < number && end != 0; ++i) end = end < text.size() ? end_of_value(text, end) : 0;
    return end <= text.size() ? end : 0;
}

std::string read_value(int fd, std::string& text) {
    size_t end = 0;
    while (text.empty() || (end = end_of_value(text, 0)) == 0)
        if (receive(fd, text) != Got::bytes) throw WireError("redis-server closed the connection: " + text);
    std::string value = text.substr(0, end);
    text.erase(0, end);
    return value;
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> options)
    : options_(std::move(options)), directory_(make_directory()) {
    for (size_t i = 0; i + 1 < options_.size(); ++i)
        if (options_[i] == "--requirepass") password_ = options_[i + 1];
    // A free port may be taken by somebody else before the server binds it: three tries.
    for (int tries_left = 3;; --tries_left) {
        port_ = free_port();
        try {
            start();
            return;
        } catch (const WireError&) {
            stop();
            if (tries_left == 1) throw;
        }
    }
}

RedisServer::~RedisServer() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::start() {
    std::vector<std::string> words = {
        "redis-server",     "--port", std::to_string(port_), "--bind", "127.0.0.1", "--save",   "",
        "--appendonly",     "no",     "--daemonize",         "no",     "--dir",     directory_, "--logfile",
        directory_ + "/log"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw WireError("fork failed");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // none outlives a test program that crashed
        if (::getppid() != parent) ::_exit(127);
        const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int fd : {0, 1, 2}) ::dup2(nothing, fd);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    wait_until("redis-server to answer", [this] {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            throw WireError("redis-server did not start: is it installed (scripts/deps --test)?");
        }
        try {
            return run({"PING"}) == "+PONG\r\n";
        } catch (const WireError&) {
            return false;
        }
    });
}

void RedisServer::stop() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void RedisServer::stall() { ::kill(pid_, SIGSTOP); }
void RedisServer::go_on() { ::kill(pid_, SIGCONT); }

std::string RedisServer::run(const std::vector<std::string>& words) const {
    const Fd fd = connect_loopback(port_);
    std::string text;
    if (!password_.empty()) {
        if (!send_all(fd.get(), command({"AUTH", password_}))) throw WireError("redis-server does not read");
        (void)read_value(fd.get(), text);
    }
    if (!send_all(fd.get(), command(words))) throw WireError("redis-server does not read");
    return read_value(fd.get(), text);
}

std::vector<std::string> RedisServer::keys(const std::string& pattern) const {
    const std::string answer = run({"KEYS", pattern});
    std::vector<std::string> keys;
    size_t at = answer.find("\r\n") + 2;
    while (at < answer.size()) {
        const size_t end = end_of_value(answer, at);
        const size_t begin = answer.find("\r\n", at) + 2;
        keys.push_back(answer.substr(begin, end - 2 - begin));
        at = end;
    }
    return keys;
}

}  // namespace loom::wire
