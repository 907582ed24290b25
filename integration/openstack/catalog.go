package main

import "encoding/json"

// fillCatalog makes the accounts of the services and tells keystone where each is.
func (cl *client) fillCatalog(c *cloud) error {
	project, err := cl.create("/v3/projects", "project", map[string]any{"name": "service", "domain_id": "default"})
	if err != nil {
		return err
	}
	var roles struct{ Roles []struct{ ID string } }
	if err := cl.get("keystone", "/v3/roles?name=admin", &roles); err != nil {
		return err
	}
	for _, name := range []string{"nova", "glance", "placement", "neutron"} {
		user, err := cl.create("/v3/users", "user", map[string]any{"name": name, "domain_id": "default", "password": password})
		if err != nil {
			return err
		}
		grant := "/v3/projects/" + project + "/users/" + user + "/roles/" + roles.Roles[0].ID
		if _, err := cl.do("keystone", "PUT", grant, "", ""); err != nil {
			return err
		}
	}
	for kind, address := range map[string]string{
		"compute":   c.apis["nova-api"].URL() + "/v2.1",
		"image":     c.apis["glance"].URL(),
		"placement": c.apis["placement"].URL(),
		"network":   "http://" + c.neutron.addr,
		"identity":  c.apis["keystone"].URL() + "/v3",
	} {
		if err := cl.publish(kind, address); err != nil {
			return err
		}
	}
	return nil
}

// publish puts a service of one kind into the catalog.
func (cl *client) publish(kind, address string) error {
	service, err := cl.create("/v3/services", "service", map[string]any{"name": kind, "type": kind})
	if err != nil {
		return err
	}
	for _, who := range []string{"public", "internal", "admin"} {
		_, err := cl.create("/v3/endpoints", "endpoint", map[string]any{
			"service_id": service, "interface": who, "region_id": "RegionOne", "url": address,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// create makes one of keystone's objects and returns its id.
func (cl *client) create(path, kind string, object map[string]any) (string, error) {
	var made map[string]json.RawMessage
	if err := cl.post("keystone", path, map[string]any{kind: object}, &made); err != nil {
		return "", err
	}
	var it struct{ ID string }
	return it.ID, json.Unmarshal(made[kind], &it)
}

// fillImages makes an image and the flavors.
func (cl *client) fillImages() error {
	var image struct{ ID string }
	err := cl.post("glance", "/v2/images", map[string]string{"name": "fake", "disk_format": "raw", "container_format": "bare"}, &image)
	if err != nil {
		return err
	}
	if _, err := cl.do("glance", "PUT", "/v2/images/"+image.ID+"/file", "", fakeImage); err != nil {
		return err
	}
	cl.image = image.ID
	for id, disk := range map[string]int{tiny: 0, hugeDisk: 100_000_000} {
		flavor := map[string]any{"id": id, "name": "flavor" + id, "ram": 64, "vcpus": 1, "disk": disk}
		if err := cl.post("nova-api", "/v2.1/flavors", map[string]any{"flavor": flavor}, nil); err != nil {
			return err
		}
	}
	return nil
}
