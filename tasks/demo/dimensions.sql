-- The dimension tables of the demo, as docs/data.md has them. All names are made up.
CREATE TABLE customer (
  customer_id BIGINT, first_name VARCHAR, last_name VARCHAR, address VARCHAR, pincode VARCHAR, phone_number VARCHAR,
  customer_joining_date DATE
);
INSERT INTO customer VALUES
  (1, 'Ada', 'Sample', '1 Example Street', '010001', '+00 1000 0001', DATE '2021-01-04'),
  (2, 'Ben', 'Sample', '2 Example Street', '010002', '+00 1000 0002', DATE '2021-02-08'),
  (3, 'Cleo', NULL, '3 Example Street', '010003', '+00 1000 0003', DATE '2021-03-15'),
  (4, 'Dora', 'Sample', '4 Example Street', '010004', '+00 1000 0004', DATE '2022-05-23');

CREATE TABLE store (
  id BIGINT, address VARCHAR, store_pincode VARCHAR, store_manager_name VARCHAR, store_opening_date DATE,
  reviews VARCHAR
);
INSERT INTO store VALUES
  (101, '101 Market Road', '020101', 'Mona Manager', DATE '2019-06-01', 'friendly'),
  (102, '102 Market Road', '020102', 'Nils Manager', DATE '2020-09-01', 'quick');

CREATE TABLE product (
  id BIGINT, name VARCHAR, current_price DECIMAL(10, 2), old_price DECIMAL(10, 2), created_date DATE,
  updated_date DATE, expiry_date DATE
);
INSERT INTO product VALUES
  (1, 'oats', 2.50, 2.25, DATE '2020-01-01', NULL, NULL),
  (2, 'sugar', 1.20, 1.10, DATE '2020-01-01', NULL, NULL),
  (3, 'coffee', 7.95, 7.50, DATE '2020-01-01', NULL, NULL);

CREATE TABLE sales_team (
  id BIGINT, first_name VARCHAR, last_name VARCHAR, manager_id BIGINT, is_manager VARCHAR, address VARCHAR,
  pincode VARCHAR, joining_date DATE
);
INSERT INTO sales_team VALUES
  (11, 'Sara', 'Seller', 10, 'N', '11 Mill Lane', '030011', DATE '2020-02-03'),
  (12, 'Timo', 'Seller', 10, 'N', '12 Mill Lane', '030012', DATE '2020-04-06'),
  (10, 'Mona', 'Manager', NULL, 'Y', '10 Mill Lane', '030010', DATE '2019-06-01');
