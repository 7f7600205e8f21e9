package main

// exitError carries the exit code of a command: 1 for findings or a failure, 2 for wrong usage. With a nil err nothing
// more is printed, because the command has printed what there is to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError makes err end the program with exit code 2.
func usageError(err error) error { return &exitError{code: 2, err: err} }
