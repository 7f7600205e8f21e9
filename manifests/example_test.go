package manifests_test

import (
	"encoding/json"
	"fmt"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// One value changes; the comments, the quotes and the order of everything else stay.
func ExampleFile_Edit() {
	src := []byte(`# rack 7
apiVersion: vpc.githedgehog.com/v1beta1
kind: VPC
metadata:
  name: test-vpc
spec:
  subnets:
    test-subnet: # for the lab
      subnet: '10.0.10.0/24'
      vlan: 1001   # free
`)
	file, found := manifests.Parse("test-vpc.yaml", src)
	if len(found) > 0 {
		fmt.Println(found)
		return
	}
	var want manifests.Object
	text, _ := json.Marshal(file.Documents()[0].Object)
	_ = json.Unmarshal(text, &want)
	want["spec"].(map[string]any)["subnets"].(map[string]any)["test-subnet"].(map[string]any)["vlan"] = 1002

	out, err := file.Edit(0, want)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(out))
	// Output:
	// # rack 7
	// apiVersion: vpc.githedgehog.com/v1beta1
	// kind: VPC
	// metadata:
	//   name: test-vpc
	// spec:
	//   subnets:
	//     test-subnet: # for the lab
	//       subnet: '10.0.10.0/24'
	//       vlan: 1002   # free
}

func ExampleParse() {
	_, found := manifests.Parse("bad.yaml", []byte("a: 1\n---\nb: 1\nb: 2\n"))
	for _, d := range found {
		fmt.Printf("%s:%d:%d: %s [%s] (fix: %s)\n", d.File, d.StartLine, d.StartColumn, d.Message, d.Code, d.Fix)
	}
	// Output:
	// bad.yaml:4:1: the key "b" is already set at line 3, column 1 [duplicate-key] (fix: keep one of the two)
}
