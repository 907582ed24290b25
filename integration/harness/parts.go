package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrMissing says that a part is not there; `make parts` fetches it.
var ErrMissing = errors.New("missing part, run `make parts`")

// Root is the checkout's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Apps is the folder of the untraced programs.
func Apps() string { return filepath.Join(Root(), "integration", "apps") }

// part returns the path of something that `make parts` puts into .parts.
func part(elem ...string) (string, error) {
	path := filepath.Join(append([]string{Root(), ".parts"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: no %s", ErrMissing, filepath.Join(elem...))
	}
	return path, nil
}

// program returns the path of something that the system's packages provide.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: no %s", ErrMissing, name)
	}
	return path, nil
}

// Python returns an interpreter that can import what the apps need.
func Python() (string, error) { return part("venv", "bin", "python") }
