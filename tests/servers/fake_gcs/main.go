// fake-gcs-server, built from its library, because the program itself does not bind its port in the way
// that lets a test reserve it. Objects are kept in memory.
//
//	fake-gcs-server --port 4443 --bucket locks
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"golang.org/x/sys/unix"
)

// printVersions names the modules that this program was built from.
func printVersions() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		fmt.Println(module.Path, module.Version)
	}
}

// reusePort shares a port that a test has bound and does not listen on.
func reusePort(_, _ string, connection syscall.RawConn) error {
	var failed error
	err := connection.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

func main() {
	port := flag.Int("port", 0, "of 127.0.0.1")
	bucket := flag.String("bucket", "locks", "is there from the beginning")
	version := flag.Bool("version", false, "print the modules in it")
	flag.Parse()
	if *version {
		printVersions()
		return
	}

	address := fmt.Sprintf("127.0.0.1:%d", *port)
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener:  true,
		Scheme:      "http",
		PublicHost:  address, // Go's client reads content by the XML API, which looks at the host's name
		ExternalURL: "http://" + address,
		Writer:      os.Stdout,
	})
	if err != nil {
		log.Fatal(err)
	}
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: *bucket})
	config := net.ListenConfig{Control: reusePort}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, server.HTTPHandler()))
}
