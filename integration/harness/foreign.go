package harness

import "path/filepath"

// RunMoleculer runs apps/moleculer.js, on the real Moleculer, to its end and returns what it printed.
func RunMoleculer(dir string, args ...string) (string, error) {
	node, err := program("node")
	if err != nil {
		return "", err
	}
	modules, err := part("moleculer", "node_modules")
	if err != nil {
		return "", err
	}
	args = append([]string{filepath.Join(Apps(), "moleculer.js")}, args...)
	return Exec(node, dir, []string{"NODE_PATH=" + modules}, args...)
}

// RunSpring compiles and runs apps/spring/Rpc.java, on the real Spring AMQP, to its end and returns what it printed.
func RunSpring(dir string, args ...string) (string, error) {
	javac, err := program("javac")
	if err != nil {
		return "", err
	}
	java, err := program("java")
	if err != nil {
		return "", err
	}
	lib, err := part("spring", "lib")
	if err != nil {
		return "", err
	}
	lib = filepath.Join(lib, "*")
	source := filepath.Join(Apps(), "spring", "Rpc.java")
	if _, err := Exec(javac, dir, nil, "-parameters", "-cp", lib, "-d", dir, source); err != nil {
		return "", err
	}
	args = append([]string{"-cp", dir + string(filepath.ListSeparator) + lib, "Rpc"}, args...)
	return Exec(java, dir, nil, args...)
}
