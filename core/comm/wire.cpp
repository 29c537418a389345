#include "core/comm/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::uint32_t kMagic = 0x756e6664;

struct Header {
  std::uint32_t magic = kMagic;
  std::uint8_t kind = 0;
  std::int32_t number = 0;
  std::uint32_t length = 0;
};

void make_nonblocking(int descriptor) {
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

bool is_named(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::size_t end = names.find(',');
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  }
  return false;
}

// A connection in the making that is ready to be written to is made, unless there is an error.
Socket connect_one(const std::string& address, int port, double seconds) {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  if (!socket.open()) return Socket();
  make_nonblocking(socket.descriptor());
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return Socket();
  const int begun = ::connect(socket.descriptor(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  if (begun != 0 && errno != EINPROGRESS) return Socket();
  pollfd poll = {socket.descriptor(), POLLOUT, 0};
  if (::poll(&poll, 1, static_cast<int>(seconds * 1000)) != 1) return Socket();
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? std::move(socket) : Socket();
}

}  // namespace

Socket::~Socket() {
  close();
}
Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}
void Socket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Wire::Wire(Socket socket) : socket_(std::move(socket)) {
  if (!socket_.open()) return;
  make_nonblocking(socket_.descriptor());
  const int yes = 1;
  ::setsockopt(socket_.descriptor(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

bool Wire::send(const Frame& frame) {
  Header header;
  header.kind = static_cast<std::uint8_t>(frame.kind);
  header.number = frame.number;
  header.length = static_cast<std::uint32_t>(std::min(frame.text.size(), kMostFrameText));
  out_.append(reinterpret_cast<const char*>(&header), sizeof header);
  out_.append(frame.text, 0, header.length);
  return flush();
}

bool Wire::flush() {
  while (!out_.empty()) {
    const ssize_t count = ::send(socket_.descriptor(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    out_.erase(0, static_cast<std::size_t>(count));
  }
  return true;
}

bool Wire::receive(std::vector<Frame>& frames) {
  bool alive = true;
  char piece[4096];
  while (alive) {
    const ssize_t count = ::recv(socket_.descriptor(), piece, sizeof piece, 0);
    if (count > 0) {
      in_.append(piece, static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      alive = count < 0 && errno == EAGAIN;
      break;
    }
  }
  while (in_.size() >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, in_.data(), sizeof header);
    if (header.magic != kMagic || header.length > kMostFrameText ||
        header.kind > static_cast<std::uint8_t>(FrameKind::bye)) {
      return false;
    }
    if (in_.size() < sizeof header + header.length) break;
    frames.push_back({static_cast<FrameKind>(header.kind), header.number,
                      in_.substr(sizeof header, header.length)});
    in_.erase(0, sizeof header + header.length);
  }
  return alive;
}

Listener::Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t length = sizeof at;
  const bool listening =
      socket_.open() &&
      ::bind(socket_.descriptor(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 &&
      ::listen(socket_.descriptor(), 4096) == 0 &&
      ::getsockname(socket_.descriptor(), reinterpret_cast<sockaddr*>(&at), &length) == 0;
  require(listening, "ranks",
          "cannot listen on a TCP port: {}: allow it, or set UNFOLD_COMM_WATCH=0",
          std::strerror(errno));
  make_nonblocking(socket_.descriptor());
  port_ = ntohs(at.sin_port);
}

Socket Listener::accept() {
  return Socket(::accept(socket_.descriptor(), nullptr, nullptr));
}

std::vector<std::string> own_addresses(std::string_view interfaces) {
  std::vector<std::string> addresses;
  std::vector<std::string> loopback;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {"127.0.0.1"};
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_UP) == 0) continue;
    if (!interfaces.empty() && !is_named(interfaces, each->ifa_name)) continue;
    char text[INET_ADDRSTRLEN] = {};
    const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) == nullptr) continue;
    ((each->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : addresses).emplace_back(text);
  }
  ::freeifaddrs(list);
  addresses.insert(addresses.end(), loopback.begin(), loopback.end());
  if (addresses.empty()) addresses.emplace_back("127.0.0.1");
  return addresses;
}

Socket connect_to(const std::vector<std::string>& addresses, int port, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (double patience = 1; Clock::now() < end; patience *= 2) {
    for (const std::string& address : addresses) {
      Socket socket = connect_one(address, port, patience);
      if (socket.open()) return socket;
    }
    ::usleep(100'000);
  }
  return Socket();
}

}  // namespace unfold::core
