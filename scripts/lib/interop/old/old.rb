# net-ssh and net-sftp, as Debian has them. Told by ../old_clients.py.

require "net/sftp"

port, user, local = ARGV
options = {
  port: port.to_i, password: ENV.fetch("PASSWORD"), config: false, non_interactive: true, use_agent: false,
  verify_host_key: :never, timeout: 20, auth_methods: ["password"]
}
# One pair of each kind, so that it is known what was used; without, what the library does by itself.
options[:kex] = [ENV["KEX"]] if ENV["KEX"]
Net::SFTP.start("127.0.0.1", user, options) do |sftp|
  sftp.upload!("#{local}/one", "one")
  sftp.download!("one", "#{local}/back")
  sftp.mkdir!("d")
  sftp.upload!("#{local}/one", "d/two")
  sftp.rename!("d/two", "d/three")
  sftp.setstat!("d/three", permissions: 0o640)
  sftp.symlink!("one", "link")
  puts "size #{sftp.stat!("link").size}"
  puts "link #{sftp.readlink!("link").name}"
  sftp.dir.foreach("d") { |entry| puts "name #{entry.name}" }
  sftp.upload!("#{local}/one", "gone")
  sftp.remove!("gone")
  begin
    sftp.stat!("gone")
  rescue Net::SFTP::StatusException => error
    puts "gone #{error.code}"
  end
end
