# make demo      create the test cluster with an old deployment, and upgrade it (docs/tutorial.md)
# make test      every check and every test, also on the test cluster; reuses a running one
# make lint      the checks alone
# make format    fix what formatters can fix
# make bench     measurements as JSON lines (an hour; PARTS=keys,idle,cutover,fleet and FLEET=1,10 FORKS=5 choose)
# make integration  the parts and AWX's jobs on the test cluster, and the cut-over (half an hour)
# make faults    upgrade and rotation, killed and broken at every point (two hours)
# make destroy   remove the test cluster
#
# Each makes .venv first where that is not up to date.

.PHONY: demo test lint format bench integration faults destroy venv
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(PATH)

venv:
	@sandbox/bootstrap

demo: venv
	@ansible-playbook sandbox/create.yml
	@ansible-playbook playbooks/status.yml -i sandbox/inventory.yml
	@ansible-playbook playbooks/upgrade.yml -i sandbox/inventory.yml

test: venv
	@python tests/stages.py

lint: venv
	@python tests/stages.py lint types

format: venv
	@ruff check --quiet --select I --fix .
	@ruff format .
	@python tests/packaging/role_readmes.py

bench: venv
	@PYTHONPATH=.collections:tests/bed python -m ansible_collections.hopsworks.airflow.tests.bench \
		$(if $(PARTS),--parts=$(PARTS)) $(if $(FLEET),--fleet=$(FLEET)) $(if $(FORKS),--forks=$(FORKS))

integration: venv
	@ansible-playbook sandbox/create.yml
	@HOPSWORKS_AIRFLOW_DISRUPTIVE=1 pytest tests/integration
	@MOLECULE_GLOB='molecule/*/molecule.yml' MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/.sandbox/molecule \
		molecule test --scenario-name cutover --destroy never
	@pytest tests/awx -m bed

faults: venv
	@ansible-playbook sandbox/create.yml
	@pytest tests/faults --verbose --durations=0

destroy: venv
	@ansible-playbook sandbox/destroy.yml
